"""Requests, tokens and concurrency: exact, over several processes."""

import asyncio

import pytest

from app.accounts.types import Caller, LimitRule, Limits
from app.errors import InvalidRequest, RateLimited
from tests.unit.ledger.shop import Shop, caller, laptop_only, new_id, used

T0 = 1_700_000_000_000


async def admitted(shop: Shop, who: Caller, attempts: int, processes: int = 4) -> int:
    """How many of so many concurrent requests get in."""
    ledgers = [shop.ledger() for _ in range(processes)]
    results = await asyncio.gather(
        *(ledgers[n % processes].admit(who, new_id(), "small") for n in range(attempts)), return_exceptions=True
    )
    errors = [result for result in results if isinstance(result, BaseException)]
    assert all(isinstance(error, RateLimited) for error in errors), errors
    return attempts - len(errors)


async def test_200_concurrent_requests_over_4_processes_get_exactly_what_the_limit_allows(shop: Shop) -> None:
    assert await admitted(shop, caller(requests=73), 200) == 73


async def test_concurrent_requests_are_exactly_as_many_as_allowed(shop: Shop) -> None:
    assert await admitted(shop, caller(concurrent=17), 200) == 17


async def test_a_settled_request_makes_room_for_another(shop: Shop) -> None:
    ledger, who = shop.ledger(), caller(concurrent=1)
    first = await ledger.admit(who, new_id(), "small")
    with pytest.raises(RateLimited) as refused:
        await ledger.admit(who, new_id(), "small")
    assert refused.value.headers()["retry-after"] == "1"
    await first.settle(used())
    await ledger.admit(who, new_id(), "small")


async def test_a_clock_that_is_set_back_by_an_hour_neither_lifts_a_limit_nor_refuses_for_an_hour(shop: Shop) -> None:
    shop.time_ms = T0
    ledger, who = shop.ledger(), caller(requests=3, tokens=100)
    for _ in range(2):
        for _ in range(3):
            reservation = await ledger.admit(who, new_id(), "small")
            await reservation.reserve("small", 20, 0)
            await reservation.settle(used(prompt=20))
        with pytest.raises(RateLimited):
            await ledger.admit(who, new_id(), "small")
        shop.time_ms = T0 - 3_600_000


async def test_no_minute_ever_holds_more_than_the_limit(shop: Shop) -> None:
    shop.time_ms = T0
    ledger, who, passed = shop.ledger(), caller(requests=10), []
    for step in range(400):
        shop.time_ms = T0 + step * 777
        try:
            await ledger.admit(who, new_id(), "small")
            passed.append(shop.time_ms)
        except RateLimited:
            continue
    for start in passed:
        assert sum(start <= moment < start + 60_000 for moment in passed) <= 10
    assert len(passed) >= 10 * 400 * 777 // 61_000  # and no less than that, but for the second of a slot


async def test_room_frees_when_retry_after_says(shop: Shop) -> None:
    shop.time_ms = T0
    ledger, who = shop.ledger(), caller(requests=2)
    for offset in (0, 20_000):
        shop.time_ms = T0 + offset
        await ledger.admit(who, new_id(), "small")
    with pytest.raises(RateLimited) as refused:
        await ledger.admit(who, new_id(), "small")
    assert refused.value.retry_after_s == 41
    shop.time_ms += 40_999
    with pytest.raises(RateLimited):
        await ledger.admit(who, new_id(), "small")
    shop.time_ms += 1
    await ledger.admit(who, new_id(), "small")


async def test_a_refusal_by_one_limit_takes_nothing_of_the_others(shop: Shop) -> None:
    ledger = shop.ledger()
    tenant = LimitRule("tenant", "tenant:acme", Limits(requests_per_minute=3, concurrent_requests=3))
    both = Caller("acme", "k1", limits=(tenant, LimitRule("key", "key:k1", Limits(requests_per_minute=1))))
    await ledger.admit(both, new_id(), "small")
    for _ in range(5):
        with pytest.raises(RateLimited, match="The key may have 1 requests per minute"):
            await ledger.admit(both, new_id(), "small")
    reservation = await ledger.admit(Caller("acme", "k2", limits=(tenant,)), new_id(), "small")
    assert reservation.headers()["x-ratelimit-remaining-requests"] == "1"


async def test_tokens_are_reserved_exactly_and_corrected_at_the_end(shop: Shop) -> None:
    ledger, who = shop.ledger(), caller(tokens=1000)
    reservations = [await ledger.admit(who, new_id(), "small") for _ in range(20)]
    results = await asyncio.gather(*(r.reserve("small", 100, 0) for r in reservations), return_exceptions=True)
    holders = [r for r, result in zip(reservations, results, strict=True) if result is None]
    assert len(holders) == 10
    for holder in holders:
        await holder.settle(used(prompt=20, completion=10))
    after = await ledger.admit(who, new_id(), "small")
    assert after.headers()["x-ratelimit-remaining-tokens"] == str(1000 - 10 * 30)
    await after.reserve("small", 700, 0)
    assert after.headers()["x-ratelimit-remaining-tokens"] == "0"


async def test_tokens_used_beyond_the_reserved_ones_count_too(shop: Shop) -> None:
    ledger, who = shop.ledger(), caller(tokens=100)
    reservation = await ledger.admit(who, new_id(), "small")
    await reservation.reserve("small", 10, 0)
    await reservation.settle(used(prompt=60, completion=50))
    with pytest.raises(RateLimited):
        await (await ledger.admit(who, new_id(), "small")).reserve("small", 1, 0)


async def test_tokens_leave_the_window_by_the_time_of_their_reservation(shop: Shop) -> None:
    shop.time_ms = T0
    ledger, who = shop.ledger(), caller(tokens=100)
    long_one = await ledger.admit(who, new_id(), "small")
    await long_one.reserve("small", 100, 0)
    shop.time_ms = T0 + 61_000
    other = await ledger.admit(who, new_id(), "small")
    await other.reserve("small", 90, 0)
    await long_one.settle(used(prompt=50, completion=50))  # of a minute that is over
    with pytest.raises(RateLimited):
        await (await ledger.admit(who, new_id(), "small")).reserve("small", 11, 0)
    await (await ledger.admit(who, new_id(), "small")).reserve("small", 10, 0)


async def test_a_second_attempt_replaces_the_tokens_of_the_first(shop: Shop) -> None:
    ledger, who = shop.ledger(), caller(tokens=100)
    reservation = await ledger.admit(who, new_id(), "small")
    await reservation.reserve("small", 80, 0)
    await reservation.reserve("large", 100, 0)
    with pytest.raises(InvalidRequest):
        await reservation.reserve("large", 101, 0)
    await reservation.settle(used())
    assert (await ledger.admit(who, new_id(), "small")).headers()["x-ratelimit-remaining-tokens"] == "100"


async def test_more_tokens_than_a_limit_ever_allows_are_a_wrong_request(shop: Shop) -> None:
    ledger, who = shop.ledger(), caller(tokens=100)
    reservation = await ledger.admit(who, new_id(), "small")
    await reservation.reserve("small", 80, 0)  # what is held already does not make room for it
    with pytest.raises(InvalidRequest, match="use 101 tokens, and the key may have 100 tokens per minute") as refused:
        await reservation.reserve("small", 101, 0)
    assert (refused.value.status, refused.value.headers()) == (400, {})
    after = await ledger.admit(who, new_id(), "small")
    assert after.headers()["x-ratelimit-remaining-tokens"] == "20"


async def test_a_limit_that_frees_up_is_not_told_before_one_that_never_fits(shop: Shop) -> None:
    ledger = shop.ledger()
    wide, narrow = (LimitRule("tenant", f"tenant:{n}", Limits(tokens_per_minute=n)) for n in (100, 50))
    first = await ledger.admit(Caller("acme", "k1", limits=(wide,)), new_id(), "small")
    await first.reserve("small", 90, 0)
    both = await ledger.admit(Caller("acme", "k1", limits=(wide, narrow)), new_id(), "small")
    with pytest.raises(InvalidRequest, match="50 tokens per minute"):
        await both.reserve("small", 60, 0)


async def test_limits_of_a_model_go_by_the_name_asked_for(shop: Shop) -> None:
    rule = LimitRule("model", "model:acme/small", Limits(requests_per_minute=1))
    who = Caller("acme", "k1", model_limits={"small": (rule,)})
    ledger = shop.ledger()
    await ledger.admit(who, new_id(), "small")
    await ledger.admit(who, new_id(), "large")
    with pytest.raises(RateLimited, match="The model may have 1 requests per minute"):
        await ledger.admit(who, new_id(), "small")


async def test_an_adapter_is_held_to_the_limits_of_its_base_and_to_its_own(shop: Shop) -> None:
    base = LimitRule("model", "model:*/small", Limits(requests_per_minute=3))
    adapter = LimitRule("model", "model:*/small:law", Limits(requests_per_minute=1))
    who = Caller("acme", "k1", model_limits={"small": (base,), "small:law": (adapter,)})
    ledger = shop.ledger()
    await ledger.admit(who, new_id(), "small:law")
    with pytest.raises(RateLimited, match="may have 1 requests"):
        await ledger.admit(who, new_id(), "small:law")
    await ledger.admit(who, new_id(), "small:art")
    await ledger.admit(who, new_id(), "small")
    for name in ("small", "small:art"):
        with pytest.raises(RateLimited, match="may have 3 requests"):
            await ledger.admit(who, new_id(), name)


async def test_headers_tell_of_the_tightest_rule(shop: Shop) -> None:
    shop.time_ms = T0
    key = LimitRule("key", "key:k1", Limits(requests_per_minute=100, tokens_per_minute=5000))
    tenant = LimitRule("tenant", "tenant:acme", Limits(requests_per_minute=50))
    reservation = await shop.ledger().admit(Caller("acme", "k1", limits=(key, tenant)), new_id(), "small")
    assert reservation.headers() == {
        "x-ratelimit-limit-requests": "50",
        "x-ratelimit-remaining-requests": "49",
        "x-ratelimit-reset-requests": "1m1s",
        "x-ratelimit-limit-tokens": "5000",
        "x-ratelimit-remaining-tokens": "5000",
        "x-ratelimit-reset-tokens": "0s",
    }


@laptop_only
async def test_a_caller_without_limits_needs_no_store(shop: Shop) -> None:
    ledger = shop.ledger(store_url="unix:///nowhere.sock")
    reservation = await ledger.admit(Caller("acme", "k1"), new_id(), "small")
    await reservation.reserve("small", 100, 100)
    await reservation.settle(used(cost=70))
    assert reservation.headers() == {}
    assert [row.cost_nano for row in await shop.rows()] == [70]


async def test_counters_of_windows_go_away_by_themselves(shop: Shop) -> None:
    ledger = shop.ledger()
    reservation = await ledger.admit(caller(requests=5, tokens=5, concurrent=5), new_id(), "small")
    await reservation.reserve("small", 5, 0)
    await reservation.settle(used(prompt=1))
    ttls_ms = shop.ttls_ms()
    assert sorted(ttls_ms) == ["{sextant}:ledger:requests:key:k1", "{sextant}:ledger:tokens:key:k1"]
    assert all(0 < ttl_ms <= 122_000 for ttl_ms in ttls_ms.values())
