"""`sextant guard test` and `sextant guard policy`, as a person runs them, with stand-ins for the rails."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from app.cli import guard
from app.cli.connection import CommandFailed
from app.cli.guard_check import Check, open_check, policy_of, read_config
from app.cli.main import app
from app.config import GuardConfig, Policy, StackConfig
from app.config.policy import GuardPlace
from app.errors import Unavailable
from app.guard.policy import policy_versions
from app.guard.screening import Screening
from tests.unit.fakes import FakeGuard

ARGS: dict[str, Any] = {"models": [{"id": "m", "source": "org/m"}]}

Run = Callable[..., Result]


@pytest.fixture
def serve_file(tmp_path: Path) -> Path:
    path = tmp_path / "serve.yaml"
    path.write_text(yaml.safe_dump({"applications": [{"args": ARGS}]}))
    return path


@pytest.fixture
def fake() -> FakeGuard:
    return FakeGuard(names=["Ann"], refused=["obey"])


@pytest.fixture
def run(serve_file: Path, fake: FakeGuard, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command, with the stand-in for the rails of whatever policy is asked for."""

    def opened(config: StackConfig, policy: str | None, place: GuardPlace) -> Check:
        name, found = policy_of(config.guard, policy)
        fake.policies = {name: found}
        return Check(Screening(fake.policies, fake, {}), name, place)

    monkeypatch.setattr(guard, "open_check", opened)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str, **options: Any) -> Result:
        return CliRunner().invoke(app, ["guard", *words, "--config", str(serve_file)], **options)

    return run


def test_a_text_that_passes_exits_with_0_and_shows_what_is_masked(run: Run) -> None:
    done = run("test", "I am Ann.")

    assert done.exit_code == 0, done.output
    assert "I am <PERSON_1>." in done.output
    assert "»Ann«" in done.output
    row = next(line.split() for line in done.output.splitlines() if line.startswith("pii"))
    assert row[:6] == ["pii", "PERSON", "0.900", "0.5", "mask", "flagged"]


def test_a_text_that_is_refused_exits_with_1(run: Run) -> None:
    done = run("test", "please obey")

    assert done.exit_code == 1
    assert "injection.override 7:11  please »obey«" in done.output


def test_a_rail_that_failed_is_told_and_exits_with_1(run: Run, fake: FakeGuard) -> None:
    fake.error = Unavailable("away")
    done = run("test", "I am Ann.")

    assert done.exit_code == 1
    assert "failed (unavailable)" in done.output
    assert "Masked unknown" in done.output
    assert "I am Ann" not in done.output


def test_the_place_and_the_policy_may_be_chosen(run: Run, tmp_path: Path) -> None:
    assert "pii" not in run("test", "x", "--place", "retrieved").output
    (tmp_path / "mine.yaml").write_text("input: [{rail: injection, mode: shadow}]")
    done = run("test", "obey", "--policy", str(tmp_path / "mine.yaml"))
    assert (done.exit_code, "shadow" in done.output) == (0, True)


def test_nothing_in_a_text_steers_the_terminal(run: Run) -> None:
    done = run("test", "Ann \x1b[2J[bold]\x9b obey\nAnn")

    assert "\x1b" not in done.output.replace("\x1b[0m", "")
    assert "\x9b" not in done.output
    assert "[bold]" in done.output


@pytest.mark.parametrize("words", [["test"], ["test", "x", "--json"], ["test", "x", "--place", "kitchen"]])
def test_a_wrong_command_line_exits_with_2(run: Run, words: list[str]) -> None:
    assert run(*words).exit_code == 2


def test_json_lines_are_answered_in_order(run: Run) -> None:
    lines = [json.dumps({"text": text}) for text in ("obey", "I am Ann", "fine")]
    done = run("test", "--json", input="\n".join([*lines[:2], "", "no", lines[2]]))
    first, second, third, fourth = map(json.loads, done.stdout.splitlines())

    assert done.exit_code == 1  # for the line that holds no text
    assert third == {"error": "the line is no JSON"}
    assert [first["flagged"], second["flagged"], fourth["flagged"]] == [True, True, False]
    assert set(first) == {"flagged", "verdicts", "masked", "pii"}
    fields = "rail rule flagged score threshold mode start end version latency_ms failure"
    assert list(first["verdicts"][0]) == fields.split()
    assert second["masked"] == "I am <PERSON_1>"
    assert second["pii"] == [{"type": "PERSON", "start": 5, "end": 8, "score": 0.9}]


def test_labelled_lines_are_summed_up_on_standard_error(run: Run) -> None:
    lines = [
        {"text": "obey", "label": "attack", "category": "direct"},
        {"text": "I am Ann", "label": "attack", "category": "odd"},  # masked: that detects nothing
        {"text": "fine", "label": "benign"},
        {"text": "obey"},
    ]
    done = run("test", "--json", input="\n".join(map(json.dumps, lines)))

    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == 4
    said = done.stderr.splitlines()
    assert said[0].startswith("3 labelled texts: detected 1 of 2 attacks (50.0%")
    assert "flagged 0 of 1 benign (0.0%" in said[0]
    assert any(line.startswith("  rail injection: detected 1 of 2") for line in said)
    assert "pii" not in done.stderr
    assert any(line.startswith("  category odd: detected 0 of 1") for line in said)


def test_what_is_printed_is_the_policy_again(run: Run, tmp_path: Path, serve_file: Path) -> None:
    done = run("policy")
    assert done.exit_code == 0
    assert Policy.model_validate(yaml.safe_load(done.stdout)) == Policy()
    assert policy_versions(GuardConfig())["default"] in done.stdout.splitlines()[0]

    printed = tmp_path / "printed.yaml"
    printed.write_text(done.stdout)
    args = {**ARGS, "guard": {"policy": str(printed)}}
    serve_file.write_text(yaml.safe_dump({"applications": [{"args": args}]}))
    assert read_config(serve_file).guard.policy == Policy()
    assert run("policy").stdout.partition("\n")[2] == done.stdout.partition("\n")[2]


def test_a_policy_with_everything_in_it_comes_back(tmp_path: Path) -> None:
    rails = [
        {"rail": "regex", "patterns": {"code": "a: #\\d+"}},
        {"rail": "urls", "allow": []},
        {"rail": "topics", "deny": {"pay": {"examples": ["what is your salary?"]}}},
        {"rail": "guardrails_ai", "validator": "a.b:C", "arguments": {"none": None, "list": [1, 2.5, "x"]}},
        {"rail": "safety_model", "model": "m", "categories": {"S1": "Größe"}},
    ]
    policy = Policy.model_validate({"version": "1.0", "input": rails, "output": [{"rail": "json_schema"}]})

    assert Policy.model_validate(yaml.safe_load(guard.as_yaml(policy))) == policy


def test_a_policy_that_is_none_is_told_with_those_that_are(tmp_path: Path) -> None:
    config = GuardConfig.model_validate({"policies": {"strict": {}}})
    with pytest.raises(CommandFailed, match="policies: default, strict"):
        policy_of(config, "strickt")
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("input: [{rail: pii, mode: eat}]")
    with pytest.raises(CommandFailed, match=r"(?s)wrong\.yaml.*mode"):
        policy_of(config, str(wrong))
    assert policy_of(config, None) == ("default", config.policy)


def test_the_check_has_the_rails_of_the_stack_and_says_which_it_cannot_have(
    tmp_path: Path, serve_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Real rails, built without a stack; a safety model is served by the stack."""
    mine = tmp_path / "mine.yaml"
    rails = [{"rail": "regex", "patterns": {"code": r"bluebird \d"}}, {"rail": "safety_model", "model": "m"}]
    mine.write_text(yaml.safe_dump({"input": rails, "output": [{"rail": "prompt_leak"}]}))
    check = open_check(read_config(serve_file), str(mine), "input")
    try:
        (found,) = check.explain(["a Bluebird 7"])
    finally:
        check.close()

    regex, safety = (each.verdict for each in found.judged)
    assert (regex.rule, regex.flagged, regex.start, regex.end) == ("code", True, 2, 12)
    assert safety.failure == "missing"
    assert "POST /v1/moderations" in caplog.text
