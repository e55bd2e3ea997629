"""Limits are exact to the request, whichever replica is asked."""

import asyncio
from collections import Counter

from tests.chaos.fleet import Fleet, questions, storm

CLIENTS = 200


def test_requests_per_minute_are_exact_under_200_clients(priced: Fleet) -> None:
    key_id, secret = priced.create_key(limits={"requests_per_minute": 500})

    answers = asyncio.run(storm(priced.stack.url, secret, questions(1500, "steady"), CLIENTS))

    assert Counter(answer.status for answer in answers) == {200: 500, 429: 1000}
    assert all(answer.retry_after for answer in answers if answer.status == 429)
    assert len(priced.rows(key_id)) == 500


def test_tokens_per_minute_admit_no_more_than_they_hold(priced: Fleet) -> None:
    # 10 tokens of answer and the estimate of the prompt, corrected to what the model counted.
    key_id, secret = priced.create_key(limits={"tokens_per_minute": 2000})

    answers = asyncio.run(storm(priced.stack.url, secret, questions(1000, "steady"), CLIENTS))

    served = sum(answer.status == 200 for answer in answers)
    used = sum(row["prompt_tokens"] + row["completion_tokens"] for row in priced.rows(key_id))
    assert 0 < served < 1000
    assert used <= 2000


def test_no_more_than_the_allowed_number_is_under_way_at_once(priced: Fleet) -> None:
    _, secret = priced.create_key(limits={"concurrent_requests": 25})

    answers = asyncio.run(storm(priced.stack.url, secret, questions(400, "steady"), CLIENTS))
    afterwards = asyncio.run(storm(priced.stack.url, secret, questions(25, "steady"), 25))

    assert set(Counter(answer.status for answer in answers)) == {200, 429}
    assert Counter(answer.status for answer in afterwards) == {200: 25}, "places were not given back"
