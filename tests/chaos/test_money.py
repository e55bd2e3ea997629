"""Promise 1: under any concurrency and any kill, a key never spends more than its budget, and no usage is lost."""

import asyncio
import random
from collections import Counter

import pytest

from tests.chaos.fleet import Answer, Fleet, eventually, questions, storm

PRICE_USD = 0.01
FITS = 300
CLIENTS = 1000
TRIALS = 20


def budget_for(count: int) -> list[dict[str, object]]:
    return [{"amount_usd": round(count * PRICE_USD, 2), "period": "month"}]


def test_a_thousand_at_once_get_exactly_what_the_budget_holds(priced: Fleet) -> None:
    key_id, secret = priced.create_key(budgets=budget_for(FITS))

    answers = asyncio.run(storm(priced.stack.url, secret, questions(CLIENTS, "steady"), CLIENTS))

    assert Counter(answer.status for answer in answers) == {200: FITS, 402: CLIENTS - FITS}
    budget, rows = priced.budget(key_id), priced.rows(key_id)
    assert (budget["spent_usd"], budget["reserved_usd"]) == (FITS * PRICE_USD, 0)
    served = {answer.id.removeprefix("chatcmpl-") for answer in answers if answer.status == 200}
    assert {row["id"] for row in rows if row["outcome"] == "ok"} == served
    assert sum(row["cost_usd"] for row in rows) == pytest.approx(FITS * PRICE_USD)


@pytest.mark.parametrize("trial", range(TRIALS))
def test_replicas_are_killed_in_the_middle_and_the_books_agree(priced: Fleet, trial: int) -> None:
    dice = random.Random(trial)
    key_id, secret = priced.create_key(budgets=budget_for(FITS))
    streamed = bool(trial % 2)

    async def hurt() -> list[Answer]:
        asking = asyncio.create_task(
            storm(priced.stack.url, secret, questions(CLIENTS, "steady", stream=streamed), CLIENTS)
        )
        await asyncio.sleep(dice.uniform(0.3, 2.0))
        for victim in dice.sample(priced.ingresses(), dice.choice([1, 2])):
            victim.kill()
        return await asking

    answers = asyncio.run(hurt())
    priced.heal()
    eventually(lambda: priced.budget(key_id)["reserved_usd"] == 0, 30)

    budget, rows = priced.budget(key_id), priced.rows(key_id)
    spent = round(budget["spent_usd"] / PRICE_USD, 6)
    assert spent <= FITS
    assert budget["spent_usd"] == pytest.approx(sum(row["cost_usd"] for row in rows))
    assert len({row["id"] for row in rows}) == len(rows)
    finished = {row["id"] for row in rows if row["outcome"] == "ok"}
    if not streamed:
        served = {answer.id.removeprefix("chatcmpl-") for answer in answers if answer.status == 200}
        assert served <= finished, "an answer without its row"
    # Counted anew from the rows, the counters say the same.
    priced.admin.post("/ledger/rebuild").raise_for_status()
    assert priced.budget(key_id)["spent_usd"] == pytest.approx(budget["spent_usd"])
    seen = Counter(answer.status for answer in answers)
    print(f"trial {trial}: {seen}, {len(rows)} rows: {Counter(row['outcome'] for row in rows)}, spent {spent:g}")
