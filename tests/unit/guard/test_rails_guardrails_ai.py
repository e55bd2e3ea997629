"""Guardrails AI: with a stand-in that has its interface, and with the package itself where it is installed."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from app.config.policy import GuardrailsAiSettings
from app.guard.policy_rails.guardrails_ai import GuardrailsAiRail
from app.guard.rail import RailMissing
from app.guard.types import Hit


class NoWords:
    """Fails on words, says where; on `whole` without saying where."""

    rail_alias = "acme/no-words"

    def __init__(self, words: list[str]) -> None:
        self.words = words

    def validate(self, value: str, metadata: dict[str, Any]) -> Any:
        if "odd" in value:
            return SimpleNamespace(outcome="perhaps")
        spans = [SimpleNamespace(start=value.index(w), end=value.index(w) + len(w)) for w in self.words if w in value]
        if metadata.get("lax") or not (spans or "whole" in value):
            return SimpleNamespace(outcome="pass")
        return SimpleNamespace(outcome="fail", error_spans=spans or None)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    package, settings, version, own = (
        ModuleType(name) for name in ("guardrails", "guardrails.settings", "guardrails.version", "own_validators")
    )
    rc = SimpleNamespace(enable_metrics=True)
    settings.settings = SimpleNamespace(rc=rc)  # type: ignore[attr-defined] # a module of the test's own
    version.GUARDRAILS_VERSION = "0"  # type: ignore[attr-defined] # the same
    own.NoWords, own.NoValidator = NoWords, dict  # type: ignore[attr-defined] # the same
    for module in (package, settings, version, own):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return rc


def make(**settings: Any) -> GuardrailsAiRail:
    settings = {"validator": "own_validators:NoWords", "arguments": {"words": ["gun", "bomb"]}, **settings}
    return GuardrailsAiRail(GuardrailsAiSettings(**settings))


TEXTS = ["hello", "a bomb and a gun", "as a whole", "", "\ud800 bomb"]
HITS = [
    [],
    [Hit("no-words", 1.0, 2, 6), Hit("no-words", 1.0, 13, 16)],
    [Hit("no-words", 1.0, 0, 10)],
    [],
    [Hit("no-words", 1.0, 2, 6)],
]


def test_failures_become_hits_and_nothing_is_reported_to_its_makers(stand_in: SimpleNamespace) -> None:
    assert make().examine(TEXTS) == HITS
    assert make(metadata={"lax": True}).examine(TEXTS) == [[]] * 5
    assert stand_in.enable_metrics is False


@pytest.mark.usefixtures("stand_in")
def test_an_answer_that_is_neither_is_a_failure() -> None:
    with pytest.raises(ValueError, match="neither pass nor fail"):
        make().examine(["odd"])


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"validator": "own_validators:None_"}, "has no 'None_'"),
        ({"validator": "no_such_module_here:X"}, "PYTHONPATH"),
        ({"arguments": {"nonsense": 1}}, "see `arguments`"),
        ({"validator": "own_validators:NoValidator", "arguments": {}}, "is no validator"),
    ],
)
def test_what_cannot_be_made_is_said(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(RailMissing, match=said):
        make(**settings)


def test_the_package_that_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "guardrails", None)
    with pytest.raises(RailMissing, match=r"pip install 'sextant\[guardrails-ai\]'"):
        make()


def test_with_the_package_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    base: Any = pytest.importorskip("guardrails.validator_base", reason="the extra `guardrails-ai` is not installed")

    @base.register_validator(name="acme/no-words", data_type="string")
    class Real(base.Validator):  # type: ignore[misc] # of an extra
        def __init__(self, words: list[str]) -> None:
            super().__init__(words=words)
            self.words = words

        def _validate(self, value: str, metadata: dict[str, Any]) -> Any:
            spans = [
                base.ErrorSpan(start=value.index(w), end=value.index(w) + len(w), reason=w)
                for w in self.words
                if w in value
            ]
            if not (spans or "whole" in value):
                return base.PassResult()
            return base.FailResult(error_message="no", error_spans=spans or None)

    own = ModuleType("own_validators")
    own.NoWords = Real  # type: ignore[attr-defined] # a module of the test's own
    monkeypatch.setitem(sys.modules, "own_validators", own)
    rail = make()
    assert rail.examine(TEXTS) == HITS
    assert rail._validator._disable_telemetry
