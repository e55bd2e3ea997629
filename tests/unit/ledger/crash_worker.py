"""A process that spends until it is killed. Tells `admitted ID` and `served ID`, each as soon as it is true.

python -m tests.unit.ledger.crash_worker HOME STORE_URL [SQL_URL]
"""

import asyncio
import os
import random
import sys
from pathlib import Path
from typing import Any

from app.errors import BudgetExceeded
from app.ledger.ledger import Ledger
from tests.unit.ledger.shop import Shop, budget, caller, new_id, used

LEASE: dict[str, Any] = {"lease_s": 0.5, "heartbeat_s": 0.05}
AMOUNT = 300_000
WHO = caller(budget(AMOUNT), requests=100_000, tokens=10_000_000, concurrent=1000)


def tell(event: str) -> None:
    """In one system call, which a kill does not cut in two."""
    os.write(sys.stdout.fileno(), f"{event}\n".encode())


async def serve_for_ever(ledger: Ledger) -> None:
    while True:
        reservation = await ledger.admit(WHO, new_id(), "small")
        tell(f"admitted {reservation.id}")
        if random.random() < 0.25:  # as a hit of the cache does it
            await reservation.settle(used(0, 0, 0))
            tell(f"served {reservation.id}")
            continue
        try:
            await reservation.reserve("small", 200, 1000)
        except BudgetExceeded:
            await reservation.settle(used(outcome="error"))
            await asyncio.sleep(0.05)
            continue
        cost = 0
        for _ in range(random.randrange(8)):
            await asyncio.sleep(0.01)
            cost += 100
            reservation.progress(cost, 10, cost // 10, "small", "local")
        await reservation.settle(used(cost, 10, cost // 10))
        tell(f"served {reservation.id}")


async def main(home: str, store_url: str, sql_url: str | None = None) -> None:
    ledger = Shop(Path(home), store_url, sql_url).ledger(**LEASE)
    async with ledger.running():
        await asyncio.gather(*(serve_for_ever(ledger) for _ in range(16)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
