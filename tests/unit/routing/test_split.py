"""Splits: the same customers every time, about as many as the percentage says, and more when it grows."""

from hypothesis import given, settings
from hypothesis import strategies as st

from app.accounts.types import Caller
from app.config.routing import SplitConfig
from app.routing.split import is_in

NAMES = st.text(max_size=12)
PERCENTS = st.floats(0, 100)


def percent_of(split: SplitConfig, callers: list[Caller], alias: str = "chat") -> float:
    return 100 * sum(is_in("canary", alias, split, caller) for caller in callers) / len(callers)


@settings(deadline=None)
@given(tenant=NAMES, customer=NAMES, keys=st.tuples(NAMES, NAMES), percent=PERCENTS, more=PERCENTS)
def test_a_customer_keeps_its_side_whatever_its_key_and_stays_in_as_the_share_grows(
    tenant: str, customer: str, keys: tuple[str, str], percent: float, more: float
) -> None:
    few, many = (SplitConfig(model="m", percent=share) for share in sorted((percent, more)))
    callers = [Caller(tenant, key, customer="c" + customer) for key in keys]
    assert len({is_in("canary", "chat", few, caller) for caller in callers}) == 1
    assert is_in("canary", "chat", few, callers[0]) <= is_in("canary", "chat", many, callers[0])


@settings(max_examples=30, deadline=None)
@given(percent=PERCENTS, tenant=NAMES)
def test_the_share_of_customers_is_within_tolerance(percent: float, tenant: str) -> None:
    callers = [Caller(tenant, "key", customer=f"customer {number}") for number in range(1500)]
    # Six standard deviations of a binomial share at its widest.
    assert abs(percent_of(SplitConfig(model="m", percent=percent), callers) - percent) <= 6 * 50 / 1500**0.5


def test_nobody_and_everybody() -> None:
    callers = [Caller("t", f"key {number}") for number in range(500)]
    assert percent_of(SplitConfig(model="m", percent=0), callers) == 0
    assert percent_of(SplitConfig(model="m", percent=100), callers) == 100


def test_kind_alias_model_tenant_and_key_draw_independently() -> None:
    """Of a half, another draw has a half: the same unlucky customers do not get everything that is new."""

    def drawn(kind: str, alias: str, model: str, tenant: str, customer: bool) -> set[int]:
        split = SplitConfig(model=model, percent=50)
        callers = [Caller(tenant, f"{n}", customer=f"{n}" if customer else None) for n in range(2000)]
        return {n for n, caller in enumerate(callers) if is_in(kind, alias, split, caller)}  # type: ignore[arg-type]

    one = drawn("canary", "chat", "m", "t", True)
    for other in (
        drawn("shadow", "chat", "m", "t", True),
        drawn("canary", "docs", "m", "t", True),
        drawn("canary", "chat", "n", "t", True),
        drawn("canary", "chat", "m", "u", True),
        drawn("canary", "chat", "m", "t", False),
    ):
        assert 350 < len(one & other) < 650


def test_a_customers_place_never_changes() -> None:
    """Pinned: another hash would move every customer of every running canary."""
    split = SplitConfig(model="m", percent=50)
    sides = [is_in("canary", "chat", split, Caller("default", "k", customer=f"{n}")) for n in range(16)]
    assert "".join("-+"[side] for side in sides) == "---+-++++++++-++"
