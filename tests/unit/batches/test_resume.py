"""A job that is killed anywhere goes on where it was: no line lost, none twice."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.batches.answer import Answer, answered
from app.batches.journal import Journal
from app.batches.lines import Line
from app.batches.types import Batch
from app.config.files import PROJECT
from tests.unit.batches.desk import CALLERS, Desk, GatewayDouble, echo, eventually, lines_of, request_line
from tests.unit.server import listening


def start(desk: Desk, batch: Batch, url: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.unit.batches.worker", str(desk.home), batch.id, url]
    return subprocess.Popen(command, cwd=PROJECT)


async def test_a_job_killed_again_and_again_loses_no_line_and_doubles_none(desk: Desk) -> None:
    count, kills = 400, 3
    double = GatewayDouble()
    lines = [request_line(f"id-{n}", statuses=[400] if n % 10 == 3 else [200]) for n in range(count)]
    batch = await desk.begin(lines)
    with listening(double.app) as url:
        for kill in range(1, kills + 1):
            process = start(desk, batch, url)
            reached = kill * count // (kills + 1)
            await eventually(lambda reached=reached: len(double.seen) >= reached)  # type: ignore[misc]
            process.kill()
            process.wait()
            assert (await desk.read(batch)).status == "in_progress"
        process = start(desk, batch, url)
        assert await asyncio.to_thread(process.wait, 30) == 0
    ended = await desk.read(batch)
    output, error = desk.results(ended)
    assert ended.status == "completed"
    assert (ended.completed, ended.failed) == (len(output), len(error)) == (360, 40)
    assert sorted(line["custom_id"] for line in output + error) == sorted(line["custom_id"] for line in lines)
    # What was under way at a kill may have been executed twice, and nothing else.
    assert count <= len(double.seen) <= count + kills * desk.config.concurrency


@pytest.mark.parametrize("status", ["validating", "in_progress", "finalizing", "cancelling"])
async def test_a_run_that_fails_after_any_change_of_the_row_can_be_repeated(desk: Desk, status: str) -> None:
    """As if the process died right after the row got that status: what follows is not done."""
    batch = await desk.begin(lines_of(6))

    class Died(Exception):
        pass

    def dies(*_: Any, **__: Any) -> Any:
        raise Died

    records = desk.batch_records
    if status == "validating":
        failing = {"start": dies}
    elif status == "in_progress":
        failing = {"finalize": dies}
    else:
        failing = {"finish": dies}
    sent: list[str] = []

    async def send(batch: Batch, line: Line) -> Answer:
        sent.append(line.custom_id)
        if status == "cancelling" and line.number == 1:
            await records.claim(batch.id, None, "job")
            await records.cancel(CALLERS["sk-one"], batch.id)
        return Answer(200, {})

    for name, replacement in failing.items():
        setattr(records, name, replacement)
    with pytest.raises(Died):
        await desk.run(batch, send)
    for name in failing:
        delattr(records, name)
    assert (await desk.read(batch)).status == status
    before = len(sent)
    ended = await desk.run(batch, send)
    output, error = desk.results(ended)
    assert ended.status == ("cancelled" if status == "cancelling" else "completed")
    assert len(output) == len(set(sent)) == len(sent)
    assert error == []
    assert len(sent) == before or status == "validating"
    assert await desk.file_records.find(CALLERS["sk-one"], ended.output_file or "") is not None


class Journals:
    """A journal's files, damaged on purpose."""

    def __init__(self, directory: Path) -> None:
        self.output, self.error = directory / "output", directory / "error"

    def open(self) -> Journal:
        return Journal("batch_1", self.output, self.error)

    def ids(self) -> list[str]:
        return [json.loads(line)["custom_id"] for line in self.output.read_text().splitlines()]


def line_named(custom_id: str) -> Line:
    return Line(1, custom_id, "/v1/chat/completions", {})


@pytest.mark.parametrize(
    "torn", [b'{"id": "batch_req_', b'{"custom_id": "c"}', b"\x00" * 100, b"\x00" * 10 + b"\n", b"\n"]
)
def test_what_follows_the_last_whole_line_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    journals = Journals(tmp_path)
    with journals.open() as journal:
        journal.add(line_named("a"), Answer(200, {}))
        journal.add(line_named("b"), Answer(200, {}))
    journals.output.write_bytes(journals.output.read_bytes() + torn)
    with journals.open() as journal:
        assert journal.completed == 2
        assert line_named("b") in journal
        assert line_named("c") not in journal
    assert journals.ids() == ["a", "b"]
    with journals.open() as journal:
        journal.add(line_named("c"), Answer(200, {}))
    assert journals.ids() == ["a", "b", "c"]


def test_a_journal_cut_at_any_byte_keeps_every_whole_line(tmp_path: Path) -> None:
    whole = [answered("batch_1", line_named(name), Answer(200, "ä\n")) for name in "ab"]
    content = b"".join(whole)
    journals = Journals(tmp_path)
    for length in range(len(content) + 1):
        journals.output.write_bytes(content[:length])
        kept = [end for end in (0, len(whole[0]), len(content)) if end <= length]
        with journals.open() as journal:
            assert journal.completed == len(kept) - 1
        assert journals.output.read_bytes() == content[: kept[-1]]


async def test_a_line_is_on_the_disk_before_the_next_request(desk: Desk) -> None:
    """A kill right then finds it: it does not sit in a buffer of the process."""
    batch = await desk.begin(lines_of(3))
    found: list[int] = []

    async def send(batch: Batch, line: Line) -> Answer:
        if line.number == 3:
            await asyncio.sleep(0.05)
            found.append(len(desk.files.path("acme", batch.output_name).read_bytes().splitlines()))
        return await echo(batch, line)

    await desk.run(batch, send)
    assert found == [2]
