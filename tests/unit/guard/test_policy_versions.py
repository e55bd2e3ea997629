"""A policy's version: a change to anything that the guard does makes cached answers unreachable."""

import sys
from pathlib import Path
from types import ModuleType
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


@pytest.fixture
def own_rails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module of the user's own, with a hook and a validator."""
    file = tmp_path / "own_rails.py"
    file.write_text("def check(text):\n    return False\n\n\nclass Validator:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_rails", raising=False)
    return file


def of_rail(**rail: Any) -> str:
    return version(policy={"input": [rail]})


HOOK = {"rail": "python", "hook": "own_rails:check"}


@pytest.mark.parametrize("rail", [HOOK, {"rail": "guardrails_ai", "validator": "own_rails:Validator"}])
def test_it_changes_with_the_source_of_hooks_and_validators(own_rails: Path, rail: dict[str, Any]) -> None:
    before = of_rail(**rail)
    assert of_rail(**rail) == before
    own_rails.write_text(own_rails.read_text().replace("False", "'secret' in text"))

    assert of_rail(**rail) != before
    assert of_rail(**{**rail, "mode": "shadow"}) == version(policy={"input": []})


def test_a_hook_that_tells_its_version_is_known_by_that_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def check(text: str) -> bool:
        return False

    module = ModuleType("own_rails")
    module.check = check  # type: ignore[attr-defined] # a module of the test's own
    monkeypatch.setitem(sys.modules, "own_rails", module)
    check.version = "1"  # type: ignore[attr-defined] # as hooks tell it
    before = of_rail(**HOOK)
    check.version = "2"  # type: ignore[attr-defined] # same

    assert of_rail(**HOOK) != before


def test_what_cannot_be_imported_or_read_here_has_a_version_all_the_same(tmp_path: Path) -> None:
    missing = {
        of_rail(rail="python", hook="no_such_module_here:check"),
        of_rail(rail="nemo", config=str(tmp_path / "x")),
    }

    assert len(missing) == 2


def test_it_changes_with_nemos_files(tmp_path: Path) -> None:
    config = tmp_path / "config.yml"
    config.write_text("models: []")
    nemo = {"rail": "nemo", "config": str(tmp_path)}
    versions = [of_rail(**nemo)]
    config.write_text("models: [] ")
    versions.append(of_rail(**nemo))
    (tmp_path / "actions").mkdir()
    (tmp_path / "actions" / "tidy.py").write_text("")
    versions.append(of_rail(**nemo))
    assert len(set(versions)) == 3

    (tmp_path / "actions" / "__pycache__").mkdir()
    (tmp_path / "actions" / "__pycache__" / "tidy.pyc").write_bytes(b"1")
    assert of_rail(**nemo) == versions[-1]


def test_it_changes_with_the_weights_of_a_classifier_and_of_a_safety_model(tmp_path: Path) -> None:
    injection = {"rail": "injection", "model": str(tmp_path)}
    before = of_rail(**injection)
    (tmp_path / "model.safetensors").write_bytes(b"1")
    assert of_rail(**injection) != before

    config = GuardConfig.model_validate({"policy": {"input": [{"rail": "safety_model", "model": "judge"}]}})
    one, same, other, unknown = (
        policy_versions(config, of) for of in ({"judge": "1"}, {"judge": "1", "m": "2"}, {"judge": "2"}, None)
    )
    assert one == same
    assert len({each["default"] for each in (one, other, unknown)}) == 3


def test_it_changes_with_the_tables_that_come_with_the_package() -> None:
    assert {table.split()[0] for table in policy._tables()} == {
        "injection/model.npz", "pii/names.gz", "pii/people.json",
    }  # fmt: skip


def test_all_ways_of_being_off_are_one() -> None:
    assert version(enabled=False, allow=()) == version(enabled=False) == "off"
