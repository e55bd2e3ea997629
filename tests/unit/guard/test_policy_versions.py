"""A policy's version: a change to anything that the guard does makes cached answers unreachable."""

from typing import Any

import pytest

from app.config import GuardConfig
from app.guard import policy
from app.guard.policy import policy_versions


def version(**settings: Any) -> str:
    return policy_versions(GuardConfig.model_validate(settings))["default"]


PII = {"rail": "pii"}


@pytest.mark.parametrize(
    "change",
    [
        {"policy": {"input": []}},
        {"policy": {"input": [{**PII, "entities": ["PERSON"]}]}},
        {"policy": {"input": [{**PII, "threshold": 0.6}]}},
        {"policy": {"output": []}},
        {"allow": ("Ray",)},
        {"allow": ()},
        {"language_model": "en_core_web_lg"},
        {"enabled": False},
    ],
)
def test_it_changes_with_each_setting_that_changes_what_is_done(change: dict[str, Any]) -> None:
    assert version(**change) != version()


@pytest.mark.parametrize("change", [{"replicas": 3}, {"timeout_ms": 10}, {"max_characters": 10}])
def test_it_does_not_change_with_how_the_guard_is_run(change: dict[str, Any]) -> None:
    assert version(**change) == version()


def test_it_does_not_change_with_the_order_of_a_list() -> None:
    rails = [{"rail": "secrets"}, PII]

    assert version(policy={"input": rails}, allow=("a", "b")) == version(
        policy={"input": rails[::-1]}, allow=("b", "a")
    )


def test_what_only_watches_changes_nothing() -> None:
    watching = {"rail": "length", "mode": "shadow"}

    assert version(policy={"input": [PII, watching]}) == version(policy={"input": [PII]})
    assert version(policy={"input": [PII, {**watching, "mode": "block"}]}) != version(policy={"input": [PII]})


def test_each_policy_has_its_own() -> None:
    strict = {"input": [{"rail": "length", "max_characters": 10}]}
    versions = policy_versions(GuardConfig.model_validate({"policies": {"strict": strict, "same": strict}}))

    assert versions["default"] != versions["strict"] == versions["same"]


def test_it_changes_with_the_revision_of_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    before = version()
    monkeypatch.setattr(policy, "REVISION", policy.REVISION + 1)

    assert version() != before


def test_all_ways_of_being_off_are_one() -> None:
    assert version(enabled=False, allow=()) == version(enabled=False) == "off"
