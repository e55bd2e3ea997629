"""A provider dies: nobody sees it whom a healthy one could serve, and the dead one is left alone."""

import asyncio
import subprocess
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chaos.fleet import REPLICAS, Fleet, fleet, provider, questions, storm

REQUESTS = 500
BREAKER_FAILURES = 3


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Fleet, subprocess.Popen[str]]]:
    """A fleet with an alias over two providers, and the first one's process."""
    with provider("--tokens", "10", "--delay-ms", "2") as (first, process), provider("--tokens", "10") as (second, _):
        args: dict[str, Any] = {
            "providers": {"first": {"base_url": f"{first}/v1"}, "second": {"base_url": f"{second}/v1"}},
            "hosted": [{"id": "one", "provider": "first"}, {"id": "two", "provider": "second"}],
            "aliases": {"safe": {"targets": [{"model": "one"}, {"model": "two"}]}},
            "routing": {"breaker_failures": BREAKER_FAILURES, "breaker_cooldown_s": 60},
        }
        with fleet(tmp_path_factory.mktemp("pair") / "stack", args) as running:
            yield running, process


def test_the_first_of_two_providers_dies_and_no_client_sees_an_error(
    pair: tuple[Fleet, subprocess.Popen[str]],
) -> None:
    running, first = pair
    key_id, secret = running.create_key()

    async def hurt() -> list[int]:
        bodies = questions(REQUESTS // 2, "safe") + questions(REQUESTS // 2, "safe", stream=True)
        asking = asyncio.create_task(storm(running.stack.url, secret, bodies, 16))
        await asyncio.sleep(0.4)
        first.kill()
        return [answer.status for answer in await asking]

    statuses = asyncio.run(hurt())

    assert Counter(statuses) == {200: REQUESTS}
    rows = running.rows(key_id)
    assert Counter(row["outcome"] for row in rows)["ok"] >= REQUESTS - 16, "only streams under way may have broken"
    assert {row["model"] for row in rows if row["outcome"] == "ok"} == {"one", "two"}
    # Per replica: the failures that open the breaker, and those that were under way then.
    assert sum(row["attempts"] > 1 for row in rows) <= REPLICAS * BREAKER_FAILURES + 16
    quiet = asyncio.run(storm(running.stack.url, secret, questions(100, "safe"), 16))
    assert Counter(answer.status for answer in quiet) == {200: 100}
    assert sum(row["attempts"] > 1 for row in running.rows(key_id)) <= REPLICAS * BREAKER_FAILURES + 16
