"""Processes are killed in the midst of their work, and the books are right all the same."""

import asyncio
import random
import sys

import pytest

from tests.unit.ledger.crash_worker import AMOUNT, LEASE, WHO
from tests.unit.ledger.shop import Shop, budget, new_id, until

PROCESSES = 2


async def run_and_kill(shop: Shop, served: int) -> dict[str, set[str]]:
    """Kill a worker once it has served so many; what it had told by then."""
    arguments = [str(shop.home), shop.store_url, *([shop.sql_url] if shop.sql_url else [])]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.unit.ledger.crash_worker", *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    told: dict[str, set[str]] = {"admitted": set(), "served": set()}
    async for line in process.stdout:
        event, id_ = line.decode().split()
        told[event].add(id_)
        if len(told["served"]) >= served and process.returncode is None:
            process.kill()
    await process.wait()
    assert process.returncode == -9
    return told


@pytest.mark.parametrize("trial", range(2))
async def test_after_kill_9_nothing_is_reserved_and_the_counters_are_the_rows(shop: Shop, trial: int) -> None:
    async with asyncio.timeout(90):  # several processes start, on a machine that may be busy
        tales = await asyncio.gather(*(run_and_kill(shop, random.randint(20, 120)) for _ in range(PROCESSES)))
    admitted, served = (set.union(*(tale[event] for tale in tales)) for event in ("admitted", "served"))
    assert shop.reservations() > 0  # they died with work under way
    ledger = shop.ledger(**LEASE)
    async with ledger.running():
        await until(lambda: shop.reservations() == 0)
        async with asyncio.timeout(10):
            # Free ones lie in the files of the dead.
            while not admitted <= {row.id for row in await shop.rows()}:  # noqa: ASYNC110  it comes true in the database
                await asyncio.sleep(0.01)
        rows = {row.id: row for row in await shop.rows()}
        assert {row.outcome for id_, row in rows.items() if id_ in served} == {"ok"}
        assert {row.outcome for row in rows.values()} <= {"ok", "error", "crashed"}
        counted = await ledger.balance(budget(AMOUNT))
        assert (counted.spent_nano, counted.reserved_nano) == (await shop.spent(), 0)
        assert 0 < counted.spent_nano <= AMOUNT
        await ledger.rebuild()
        assert await ledger.balance(budget(AMOUNT)) == counted
        headers = (await ledger.admit(WHO, new_id(), "small")).headers()
        tokens = sum(row.prompt_tokens + row.completion_tokens for row in rows.values())
        assert int(headers["x-ratelimit-remaining-tokens"]) == 10_000_000 - tokens
        assert int(headers["x-ratelimit-remaining-requests"]) == 100_000 - len(rows) - 1
