"""A file that is replaced is there whole, before and after; the trained models are written so."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.guard.injection.model import InjectionModel
from app.retrieval.search.relevance import Relevance
from app.whole_file import replacing


def test_what_is_written_takes_the_files_place(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    path.write_text("old")
    with replacing(path) as part:
        assert (part.parent, part.suffix) == (tmp_path, ".npz")
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    path.write_text("old")

    def interrupted() -> None:
        with replacing(path) as part:
            part.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


class Full(OSError):
    """The disk."""


def half_an_archive(file: Any, **_: object) -> None:
    if isinstance(file, str | os.PathLike):
        Path(file).write_bytes(b"PK half")
    else:
        file.write(b"PK half")
    raise Full


def half_a_text(self: Path, _: str) -> int:
    self.write_bytes(b"{")
    raise Full


SAVED: list[Any] = [
    pytest.param(InjectionModel.load, (np, "savez_compressed", half_an_archive), id="injection"),
    pytest.param(Relevance.load, (Path, "write_text", half_a_text), id="relevance"),
]


@pytest.mark.parametrize(("load", "patch"), SAVED)
def test_a_model_that_could_not_be_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load: Callable[..., Any], patch: tuple[Any, str, Any]
) -> None:
    model, path = load(), tmp_path / "model.npz"
    model.save(path)
    before = path.read_bytes()

    monkeypatch.setattr(*patch)
    with pytest.raises(Full):
        model.save(path)
    monkeypatch.undo()

    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    load(path)
