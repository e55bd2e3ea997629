"""The policy version: a change to anything that the guard does makes cached answers unreachable."""

from typing import Any

import pytest

from app.config import GuardConfig
from app.guard import policy
from app.guard.policy import policy_version


@pytest.mark.parametrize(
    "change",
    [
        {"entities": ("PERSON",)},
        {"threshold": 0.6},
        {"allow": ("Ray",)},
        {"allow": ()},
        {"language_model": "en_core_web_lg"},
        {"enabled": False},
    ],
)
def test_it_changes_with_each_setting_that_changes_what_is_masked(change: dict[str, Any]) -> None:
    assert policy_version(GuardConfig(**change)) != policy_version(GuardConfig())


@pytest.mark.parametrize(
    "change", [{"replicas": 3}, {"timeout_ms": 10}, {"on_failure": "open"}, {"max_characters": 10}]
)
def test_it_does_not_change_with_how_the_guard_is_run(change: dict[str, Any]) -> None:
    assert policy_version(GuardConfig(**change)) == policy_version(GuardConfig())


def test_it_does_not_change_with_the_order_of_a_list() -> None:
    one = GuardConfig(entities=("PERSON", "US_SSN"), allow=("a", "b"))
    other = GuardConfig(entities=("US_SSN", "PERSON"), allow=("b", "a"))

    assert policy_version(one) == policy_version(other)


def test_it_changes_with_the_revision_of_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    before = policy_version(GuardConfig())
    monkeypatch.setattr(policy, "REVISION", policy.REVISION + 1)

    assert policy_version(GuardConfig()) != before


def test_all_ways_of_being_off_are_one() -> None:
    assert policy_version(GuardConfig(enabled=False, threshold=0.9)) == policy_version(GuardConfig(enabled=False))
