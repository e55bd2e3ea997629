"""What nobody can reach does not stay on the disk, and nothing else goes."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy import insert

from app.batches import sweep as sweeping
from app.batches.files import LOCK, UPLOAD
from app.batches.runner import STALE_S, BatchRunner
from app.batches.sweep import sweep
from app.batches.types import Batch
from app.errors import Unavailable
from app.sql.schema import files
from tests.unit.batches.desk import CALLERS, Desk, echo, lines_of
from tests.unit.batches.test_runner import Cluster

DAY_S = 86_400


def names(desk: Desk) -> set[str]:
    return {path.name for path in desk.home.glob("files/*/*")}


def leave(desk: Desk, name: str, age_s: float = 2 * DAY_S) -> Path:
    """A file that a killed process left."""
    path = desk.files.path("acme", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"{}")
    make_old(path, age_s)
    return path


def make_old(path: Path, age_s: float = 2 * DAY_S) -> None:
    os.utime(path, (time.time() - age_s,) * 2)


async def make_database_old(desk: Desk) -> None:
    """One that was there before whatever is on the disk."""
    async with desk.engine.begin() as connection:
        first = {"tenant": "t", "key_id": "k", "name": "", "purpose": "batch", "bytes": 0}
        await connection.execute(
            insert(files).prefix_with("OR IGNORE").values(id="file-first", created_ms=1, deleted_ms=2, **first)
        )


async def sweep_all(desk: Desk) -> int:
    """After a day and more without a change."""
    await make_database_old(desk)
    for path in desk.home.glob("files/*/*"):
        make_old(path)
    return await sweep(desk.files, desk.batch_records, DAY_S)


async def ended(desk: Desk) -> Batch:
    return await desk.run(await desk.begin(lines_of(1)), echo)


async def test_what_has_no_row_is_swept_away_once_it_is_old(desk: Desk) -> None:
    await make_database_old(desk)
    kept = {(await desk.begin(lines_of(1))).input_file}
    orphan = "file-0123456789abcdef0123456789abcdef"
    for age_s in (0, DAY_S - 60):
        for name in (orphan, f"{orphan}{UPLOAD}", f"{orphan}-output", f"batch_0123{LOCK}"):
            leave(desk, name, age_s)
        assert await sweep(desk.files, desk.batch_records, DAY_S) == 0
    assert await sweep_all(desk) == 4
    assert names(desk) == kept


async def test_the_content_of_a_file_that_was_deleted_is_swept_away(desk: Desk) -> None:
    """Its process was killed right after the row had gone."""
    batch = await ended(desk)
    for name in (batch.input_file, batch.output_file or ""):
        await desk.file_records.delete(CALLERS["sk-one"], name)
    assert await sweep_all(desk) == 2
    assert names(desk) == set()


async def test_what_an_unfinished_batch_has_written_stays_however_old_it_is(desk: Desk) -> None:
    """Its stack may have been down for days."""
    batch = await desk.begin(lines_of(1))
    written = {batch.output_name, batch.error_name, batch.id + LOCK}
    for name in written:
        leave(desk, name)
    assert await sweep_all(desk) == 0
    assert names(desk) == written | {batch.input_file}
    await desk.batch_records.finish(batch, "failed")
    assert await sweep_all(desk) == 3


async def test_what_an_ended_batch_shows_stays(desk: Desk) -> None:
    batch = await ended(desk)
    assert await sweep_all(desk) == 0
    assert names(desk) == {batch.input_file, batch.output_file}


async def test_a_batch_that_ends_during_the_sweep_keeps_its_results(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was unfinished when its files were listed."""
    batch = await desk.begin(lines_of(1))
    leave(desk, batch.output_name).write_bytes(b"")
    asked = desk.batch_records.unclaimed

    async def end_it_first(names: Mapping[str, str | None]) -> set[str]:
        await desk.run(batch, echo)
        return await asked(names)

    monkeypatch.setattr(desk.batch_records, "unclaimed", end_it_first)
    await sweep_all(desk)
    assert names(desk) == {batch.input_file, batch.output_name}


async def test_a_database_that_is_younger_than_the_contents_lets_them_be(desk: Desk) -> None:
    """A new one in the place of the true one would have every tenant's files removed."""
    orphan, upload = leave(desk, "file-1"), leave(desk, f"file-2{UPLOAD}")
    assert await sweep(desk.files, desk.batch_records, DAY_S) == 1
    assert (orphan.exists(), upload.exists()) == (True, False)
    await desk.begin(lines_of(1))
    assert await sweep(desk.files, desk.batch_records, DAY_S) == 0
    await make_database_old(desk)
    assert await sweep(desk.files, desk.batch_records, DAY_S) == 1


async def test_what_we_did_not_make_is_left_alone(desk: Desk) -> None:
    strange = {".nfs0000000000000001", "notes.txt", "lost+found"}
    for name in strange:
        leave(desk, name)
    (desk.home / "files" / "serve.json").write_text("{}")
    make_old(desk.home / "files" / "serve.json")
    assert await sweep_all(desk) == 0
    assert strange <= names(desk)
    assert (desk.home / "files" / "serve.json").exists()


async def test_more_files_than_one_question_names_are_swept_all_the_same(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "AT_ONCE", 7)
    kept = {(await desk.begin(lines_of(1))).input_file for _ in range(3)}
    for number in range(30):
        leave(desk, f"file-{number:032x}")
    assert await sweep_all(desk) == 30
    assert names(desk) == kept


async def test_a_database_that_is_away_lets_nothing_be_swept(desk: Desk) -> None:
    orphan = leave(desk, "file-1")
    for suffix in ("", "-wal", "-shm"):
        (desk.home / f"sextant.db{suffix}").unlink(missing_ok=True)
    await desk.engine.dispose()
    with pytest.raises(Unavailable):
        await sweep(desk.files, desk.batch_records, DAY_S)
    assert orphan.exists()


async def test_the_runner_sweeps_beside_its_rounds(desk: Desk) -> None:
    cluster = Cluster()
    runner = BatchRunner(desk.config, desk.batch_records, desk.files, cluster)
    orphan, young = leave(desk, "file-1", STALE_S + 60), leave(desk, "file-2", STALE_S - 60)
    cluster.away = True  # no reason not to
    await make_database_old(desk)
    await desk.begin(lines_of(1))
    await runner.round(0)
    assert cluster.asked == 1
    assert (orphan.exists(), young.exists()) == (False, True)
