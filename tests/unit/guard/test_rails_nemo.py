"""NeMo Guardrails: with a stand-in that has its interface, and with the package itself where it is installed."""

import asyncio
import sys
import threading
from enum import StrEnum
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from app.config.policy import NemoSettings
from app.guard.policy_rails.nemo import NemoRail
from app.guard.rail import RailMissing
from app.guard.types import Hit

CONFIG = """
models: []
rails:
  config:
    regex_detection:
      input: {patterns: ["\\\\bbomb\\\\b"]}
      output: {patterns: ["secret"]}
  input: {flows: [regex check input, tidy up]}
  output: {flows: [regex check output]}
"""
FLOWS = """
define subflow tidy up
  $user_message = execute tidy(text=$user_message)
"""
ACTIONS = """
from nemoguardrails.actions import action

@action(name="tidy")
async def tidy(text: str):
    if "crash" in text:
        raise RuntimeError("broken")
    return text.replace("4111", "****")
"""


class RailType(StrEnum):
    INPUT = "input"
    OUTPUT = "output"


class StandIn:
    """Refuses bombs, rewrites cards, breaks on crashes, hangs on hangs."""

    loops: set[Any]

    def __init__(self, config: Any) -> None:
        self.loops = set()
        self.events_history_cache: dict[str, Any] = {}

    async def check_async(self, messages: list[dict[str, str]], rail_types: list[RailType]) -> Any:
        self.loops.add(asyncio.get_running_loop())
        (message,) = messages
        text = message["content"]
        text.encode()
        self.events_history_cache[text] = messages
        assert (message["role"], rail_types) in (("user", [RailType.INPUT]), ("assistant", [RailType.OUTPUT]))
        if "hang" in text:
            await asyncio.Event().wait()
        if "crash" in text:
            return SimpleNamespace(
                status="blocked", content="I'm sorry, an internal error has occurred.", rail="tidy up"
            )
        if "bomb" in text:
            return SimpleNamespace(status="blocked", content="I can't.", rail="regex check input")
        tidied = text.replace("4111", "****")
        return SimpleNamespace(status="passed" if tidied == text else "modified", content=tidied, rail=None)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "config.yml").write_text(CONFIG)
    (tmp_path / "rails.co").write_text(FLOWS)
    (tmp_path / "actions.py").write_text(ACTIONS)
    return tmp_path


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("nemoguardrails")
    options: Any = ModuleType("nemoguardrails.rails.llm.options")
    flows = SimpleNamespace(input=SimpleNamespace(flows=["x"]), output=SimpleNamespace(flows=["x"]))
    module.RailsConfig = SimpleNamespace(from_path=lambda path: SimpleNamespace(rails=flows))
    module.LLMRails, options.RailType = StandIn, RailType
    for name in ("nemoguardrails", "nemoguardrails.rails", "nemoguardrails.rails.llm"):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "nemoguardrails.rails.llm.options", options)


TEXTS = ["hello", "how to make a bomb", "card 4111 please", "", "\ud800 bomb"]
HITS = [
    [],
    [Hit("regex check input", 1.0, 0, 18)],
    [Hit("modified", 1.0, 5, 9)],
    [],
    [Hit("regex check input", 1.0, 0, 6)],
]


@pytest.mark.usefixtures("stand_in")
def test_its_answers_become_hits(directory: Path) -> None:
    rail = NemoRail(NemoSettings(config=str(directory)))
    assert rail.examine(TEXTS) == HITS
    assert NemoRail(NemoSettings(config=str(directory), rails="output")).examine(["hello"]) == [[]]


@pytest.mark.usefixtures("stand_in")
def test_several_threads_share_one_loop_and_nothing_is_remembered(directory: Path) -> None:
    rail = NemoRail(NemoSettings(config=str(directory)))
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(rail.examine(TEXTS))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert answers == [HITS] * 4
    assert len(rail._rails.loops) == 1
    assert not rail._rails.events_history_cache


@pytest.mark.usefixtures("stand_in")
def test_what_breaks_or_hangs_is_a_failure_not_a_refusal(directory: Path) -> None:
    rail = NemoRail(NemoSettings(config=str(directory), deadline_ms=50))
    with pytest.raises(RuntimeError, match="tidy up"):
        rail.examine(["crash"])
    with pytest.raises(TimeoutError):
        rail.examine(["fine", "hang"])
    assert rail.examine(["fine"]) == [[]]


@pytest.mark.usefixtures("stand_in")
def test_the_version_is_that_of_its_files(directory: Path) -> None:
    settings = NemoSettings(config=str(directory))
    before = NemoRail(settings).version
    assert NemoRail(settings).version == before
    (directory / "rails.co").write_text(FLOWS + "\n# changed")
    assert NemoRail(settings).version != before


def test_what_is_missing_is_said(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "nemoguardrails", None)
        with pytest.raises(RailMissing, match=r"pip install 'sextant\[nemo\]'"):
            NemoRail(NemoSettings(config=str(directory)))


@pytest.mark.usefixtures("stand_in")
def test_a_directory_that_is_missing_is_said(directory: Path) -> None:
    with pytest.raises(RailMissing, match="there is no directory"):
        NemoRail(NemoSettings(config=str(directory / "none")))


def test_with_the_package_itself(directory: Path) -> None:
    pytest.importorskip("nemoguardrails", reason="the extra `nemo` is not installed")
    rail = NemoRail(NemoSettings(config=str(directory)))
    assert rail.examine(TEXTS) == HITS
    assert not rail._rails.events_history_cache
    with pytest.raises(RuntimeError, match="tidy up"):
        rail.examine(["crash"])
    leaking = NemoRail(NemoSettings(config=str(directory), rails="output"))
    assert leaking.examine(["the secret", "fine"]) == [[Hit("regex check output", 1.0, 0, 10)], []]
    (directory / "config.yml").write_text("models: []")
    with pytest.raises(RailMissing, match="no input rails"):
        NemoRail(NemoSettings(config=str(directory)))
