"""A run in this process: results, counts, retries, cancelling, expiry, validation."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import update

from app.batches import retry
from app.batches.answer import Answer
from app.batches.lines import Line
from app.batches.types import Batch
from app.errors import Conflict, NotFound
from app.sql.schema import batches
from tests.unit.batches.desk import CALLERS, Desk, echo, lines_of, request_line


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "BASE_S", 0.001)


class Script:
    """A `send` that gives each line its statuses, one after the other, the last one for ever."""

    def __init__(self, statuses: dict[str, list[int]]) -> None:
        self._statuses = statuses
        self.sent: list[str] = []

    async def __call__(self, batch: Batch, line: Line) -> Answer:
        statuses = self._statuses.get(line.custom_id, [200])
        self.sent.append(line.custom_id)
        tries = self.sent.count(line.custom_id)
        await asyncio.sleep(0)
        return Answer(statuses[min(tries, len(statuses)) - 1], {"tries": tries})


async def test_every_line_has_one_result_and_the_row_tells_where(desk: Desk) -> None:
    batch = await desk.begin(lines_of(20))
    ended = await desk.run(batch, Script({"id-3": [400], "id-7": [402]}))
    output, error = desk.results(ended)
    assert ended.status == "completed"
    assert (ended.total, ended.completed, ended.failed) == (20, 18, 2)
    assert sorted(line["custom_id"] for line in output + error) == sorted(f"id-{n}" for n in range(20))
    assert [line["custom_id"] for line in error] == ["id-3", "id-7"]
    assert error[0]["response"]["status_code"] == 400
    assert error[0]["error"] is None
    assert set(output[0]) == {"id", "custom_id", "response", "error"}
    assert len({line["id"] for line in output + error}) == 20
    files = [await desk.service.file(CALLERS["sk-one"], name or "") for name in (ended.output_file, ended.error_file)]
    assert [file.purpose for file in files] == ["batch_output"] * 2
    assert [file.bytes for file in files] == [desk.files.path("acme", file.id).stat().st_size for file in files]
    assert not list(desk.home.glob("files/*/*.lock"))


async def test_a_batch_without_failures_has_no_error_file(desk: Desk) -> None:
    ended = await desk.run(await desk.begin(lines_of(2)), echo)
    assert ended.error_file is None
    assert not desk.files.path("acme", ended.error_name).exists()


async def test_requests_are_made_so_many_at_a_time(desk: Desk) -> None:
    running, most = 0, 0

    async def send(batch: Batch, line: Line) -> Answer:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        return Answer(200, {})

    await desk.run(await desk.begin(lines_of(30)), send)
    assert most == desk.config.concurrency


async def test_busy_is_waited_for_and_broken_is_tried_again_a_few_times(desk: Desk) -> None:
    script = Script({"id-0": [429, 503, 429, 503, 200], "id-1": [500, 200], "id-2": [502, 504, 200], "id-3": [400]})
    ended = await desk.run(await desk.begin(lines_of(4)), script)
    output, error = desk.results(ended)
    assert {line["custom_id"]: line["response"]["body"]["tries"] for line in output} == {"id-0": 5, "id-1": 2}
    # `retries` is 1: the second failure stands.
    assert {line["custom_id"]: line["response"]["status_code"] for line in error} == {"id-2": 504, "id-3": 400}


def refused(code: str, retry_after_s: float | None = None) -> Answer:
    return Answer(429, {"error": {"code": code}}, retry_after_s=retry_after_s)


async def test_a_limit_that_can_never_be_met_is_not_waited_for(desk: Desk) -> None:
    async def send(batch: Batch, line: Line) -> Answer:
        return refused("rate_limit_exceeded")

    ended = await asyncio.wait_for(desk.run(await desk.begin(lines_of(2)), send), 5)
    assert (ended.status, ended.failed) == ("completed", 2)


@pytest.mark.parametrize(
    "answer",
    [
        refused("rate_limit_exceeded", retry_after_s=0),
        refused("upstream_rate_limited"),
        Answer(429, "a proxy's page"),
        Answer(429, {"error": "a text"}),
    ],
)
def test_any_other_limit_is(answer: Answer) -> None:
    assert retry.is_busy(answer)


def test_the_gateways_retry_after_is_obeyed_and_scattered() -> None:
    pauses = {retry.pause_s(Answer(429, {}, retry_after_s=10), tries) for tries in range(1, 50)}
    assert all(10 <= pause <= 11 for pause in pauses)
    assert len(pauses) > 40
    assert retry.pause_s(Answer(503, {}), 100_000) <= retry.CAP_S


async def test_cancelling_keeps_what_is_done_and_waits_for_what_is_under_way(desk: Desk) -> None:
    release, started = asyncio.Event(), asyncio.Event()

    async def send(batch: Batch, line: Line) -> Answer:
        if line.number > 10:
            started.set()
            await release.wait()
        return Answer(200, {})

    batch = await desk.begin(lines_of(100))
    await desk.batch_records.claim(batch.id, None, "job-1")
    running = asyncio.create_task(desk.run(batch, send))
    await started.wait()
    assert (await desk.service.cancel(CALLERS["sk-two"], batch.id)).status == "cancelling"
    await asyncio.sleep(0.1)  # several ticks: the run sees it, and still waits
    assert not running.done()
    release.set()
    ended = await running
    output, error = desk.results(ended)
    assert ended.status == "cancelled"
    assert ended.cancelling_ms is not None
    assert len(output) == ended.completed == 10 + desk.config.concurrency
    assert error == []


async def test_cancelling_ends_the_wait_for_a_busy_gateway(desk: Desk) -> None:
    waiting = asyncio.Event()

    async def send(batch: Batch, line: Line) -> Answer:
        waiting.set()
        return Answer(429, {}, retry_after_s=3600)

    batch = await desk.begin(lines_of(5))
    await desk.batch_records.claim(batch.id, None, "job-1")
    running = asyncio.create_task(desk.run(batch, send))
    await waiting.wait()
    await desk.service.cancel(CALLERS["sk-one"], batch.id)
    ended = await asyncio.wait_for(running, 5)
    assert (ended.status, ended.output_file, ended.error_file) == ("cancelled", None, None)


async def test_a_batch_that_no_job_has_begun_is_cancelled_at_once(desk: Desk) -> None:
    batch = await desk.begin(lines_of(5))
    assert (await desk.service.cancel(CALLERS["sk-one"], batch.id)).status == "cancelled"
    assert (await desk.run(batch, echo)).status == "cancelled"
    with pytest.raises(Conflict):
        await desk.service.cancel(CALLERS["sk-one"], (await ended_batch(desk)).id)


async def ended_batch(desk: Desk) -> Batch:
    return await desk.run(await desk.begin(lines_of(1)), echo)


async def test_what_is_not_done_in_time_expires_and_what_is_done_is_kept(desk: Desk) -> None:
    async def send(batch: Batch, line: Line) -> Answer:
        return Answer(200, {}) if line.number <= 3 else Answer(503, {}, retry_after_s=3600)

    batch = await desk.begin(lines_of(10))
    async with desk.engine.begin() as connection:
        await connection.execute(update(batches).values(expires_ms=batch.created_ms + 1_000))
    ended = await asyncio.wait_for(desk.run(batch, send), 60)  # not the hour it was told to wait
    output, error = desk.results(ended)
    assert ended.status == "expired"
    assert [line["custom_id"] for line in output] == ["id-0", "id-1", "id-2"]
    assert [line["custom_id"] for line in error] == [f"id-{number}" for number in range(3, 10)]
    assert {line["error"]["code"] for line in error} == {"batch_expired"}
    assert {line["response"] for line in error} == {None}
    assert (ended.completed, ended.failed) == (3, 7)


async def test_a_batch_that_is_already_late_makes_no_request(desk: Desk) -> None:
    script = Script({})
    batch = await desk.begin(lines_of(4))
    async with desk.engine.begin() as connection:
        await connection.execute(update(batches).values(expires_ms=1))
    ended = await desk.run(batch, script)
    assert (ended.status, script.sent) == ("expired", [])


GOOD = b'{"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {}}\n'


@pytest.mark.parametrize(
    ("content", "code", "line", "param"),
    [
        (b"", "empty_file", None, None),
        (b"\n \r\n", "empty_file", None, None),
        (GOOD + b"{nonsense\n", "invalid_json_line", 2, None),
        (GOOD + b"\xff\n", "invalid_json_line", 2, None),
        (b"[]\n", "invalid_json_line", 1, None),
        (GOOD + b"\n" + GOOD, "duplicate_custom_id", 3, "custom_id"),
        (GOOD.replace(b'"custom_id": "a", ', b""), "missing_required_parameter", 1, "custom_id"),
        (GOOD.replace(b'"a"', b"17"), "invalid_custom_id", 1, "custom_id"),
        (GOOD.replace(b'"a"', b'""'), "invalid_custom_id", 1, "custom_id"),
        (GOOD.replace(b"POST", b"GET"), "invalid_method", 1, "method"),
        (GOOD.replace(b"/chat", b""), "url_mismatch", 1, "url"),
        (GOOD.replace(b"{}", b"[]"), "invalid_request", 1, "body"),
        (GOOD.replace(b"{}", b'{"stream": true}'), "invalid_request", 1, "body.stream"),
        (GOOD.replace(b"{}", b'{"x": "' + b"y" * 3_000 + b'"}') + GOOD, "invalid_request", 1, None),
        (b"".join(GOOD.replace(b'"a"', b'"%d"' % n) for n in range(1_001)), "too_many_tasks", 1_001, None),
    ],
)
async def test_a_file_with_a_mistake_fails_before_its_first_request(
    desk: Desk, content: bytes, code: str, line: int | None, param: str | None
) -> None:
    script = Script({})
    ended = await desk.run(await desk.begin(content), script)
    assert (ended.status, script.sent, ended.output_file) == ("failed", [], None)
    assert [(problem.code, problem.line, problem.param) for problem in ended.errors] == [(code, line, param)]


async def test_mistakes_are_all_told_up_to_a_bound(desk: Desk) -> None:
    ended = await desk.run(await desk.begin(b"{\n" * 150), echo)
    assert [problem.line for problem in ended.errors] == list(range(1, 101))


async def test_a_last_line_without_an_end_and_a_byte_order_mark_are_fine(desk: Desk) -> None:
    ended = await desk.run(await desk.begin(b"\xef\xbb\xbf" + GOOD.rstrip()), echo)
    assert (ended.status, ended.completed) == ("completed", 1)


async def test_an_input_file_that_is_gone_fails_the_batch(desk: Desk) -> None:
    batch = await desk.begin(lines_of(1))
    desk.files.path("acme", batch.input_file).unlink()
    ended = await desk.run(batch, echo)
    assert (ended.status, ended.errors[0].code) == ("failed", "invalid_input_file")


async def test_two_processes_do_not_work_on_one_batch(desk: Desk) -> None:
    started, release = asyncio.Event(), asyncio.Event()

    async def send(batch: Batch, line: Line) -> Answer:
        started.set()
        await release.wait()
        return Answer(200, {})

    batch = await desk.begin([request_line("a")])
    first = asyncio.create_task(desk.run(batch, send))
    await started.wait()
    with pytest.raises(Conflict):
        await desk.run(batch, send)
    release.set()
    assert (await first).status == "completed"
    with pytest.raises(NotFound):
        await desk.run(Batch(**{**fields(batch), "id": "batch_none"}), send)


def fields(batch: Batch) -> dict[str, Any]:
    return {name: getattr(batch, name) for name in batch.__dataclass_fields__}


async def test_progress_is_in_the_row_while_it_runs(desk: Desk) -> None:
    release = asyncio.Event()

    async def send(batch: Batch, line: Line) -> Answer:
        if line.number > 4:
            await release.wait()
        return Answer(200, {})

    batch = await desk.begin(lines_of(8))
    running = asyncio.create_task(desk.run(batch, send))
    async with asyncio.timeout(5):
        while (seen := await desk.read(batch)).completed < 4:  # noqa: ASYNC110 - the condition is a row
            await asyncio.sleep(0.005)
    assert (seen.status, seen.total, seen.ended_ms) == ("in_progress", 8, None)
    release.set()
    await running
