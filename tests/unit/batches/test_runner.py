"""Every unfinished batch has one job, whoever dies."""

import asyncio
import itertools
import sqlite3
from collections.abc import Mapping

import pytest
from sqlalchemy import update

from app.batches import runner as running
from app.batches.answer import Answer
from app.batches.journal import Journal
from app.batches.lines import Line
from app.batches.runner import GIVE_UP_MS, BatchRunner, JobState
from app.batches.service import BatchService
from app.batches.types import Batch
from app.errors import Unavailable
from app.sql.schema import batches
from tests.unit.batches.desk import CALLERS, CHAT, Desk, echo, eventually, lines_of


class Cluster:
    """Takes a name once, as Ray does."""

    def __init__(self) -> None:
        self.jobs: dict[str, JobState] = {}
        self.submitted: list[str] = []
        self.asked = 0
        self.away = False

    def states(self) -> Mapping[str, JobState]:
        self.asked += 1
        if self.away:
            raise Unavailable("Ray is away.")
        return dict(self.jobs)

    def submit(self, name: str, batch_id: str) -> None:
        if self.away:
            raise Unavailable("Ray is away.")
        assert name.startswith(batch_id)
        self.submitted.append(name)
        self.jobs.setdefault(name, JobState(None))

    def end(self, name: str, ended_ms: int = 0) -> None:
        self.jobs[name] = JobState(ended_ms)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def runner(desk: Desk, cluster: Cluster) -> BatchRunner:
    return BatchRunner(desk.config, desk.batch_records, desk.files, cluster)


async def test_a_batch_gets_one_job_however_many_processes_look(desk: Desk, cluster: Cluster) -> None:
    batch = await desk.begin(lines_of(1))
    runners = [BatchRunner(desk.config, desk.batch_records, desk.files, cluster) for _ in range(8)]
    for _ in range(3):
        await asyncio.gather(*(runner.look() for runner in runners))
    assert list(cluster.jobs) == [f"{batch.id}-1"]
    assert (await desk.read(batch)).job == f"{batch.id}-1"


async def test_a_job_that_ended_before_its_batch_is_followed_by_one_other(desk: Desk, cluster: Cluster) -> None:
    batch = await desk.begin(lines_of(1))
    runners = [BatchRunner(desk.config, desk.batch_records, desk.files, cluster) for _ in range(8)]
    await runners[0].look()
    cluster.end(f"{batch.id}-1")
    for _ in range(3):
        await asyncio.gather(*(runner.look() for runner in runners))
    assert list(cluster.jobs) == [f"{batch.id}-1", f"{batch.id}-2"]


async def test_a_name_without_a_job_is_submitted(desk: Desk, cluster: Cluster, runner: BatchRunner) -> None:
    """Its process died in between, or the whole cluster was started anew."""
    batch = await desk.begin(lines_of(1))
    await desk.batch_records.claim(batch.id, None, f"{batch.id}-7")
    await runner.look()
    assert cluster.submitted == [f"{batch.id}-7"]


async def test_a_job_that_keeps_failing_is_started_less_and_less_often(
    desk: Desk, cluster: Cluster, runner: BatchRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000_000
    monkeypatch.setattr(running, "now_ms", lambda: now)
    batch = await desk.begin(lines_of(1))
    await runner.look()
    starts = [now]
    while len(starts) < 5:
        cluster.end(cluster.submitted[-1], now)
        before = len(cluster.submitted)
        while len(cluster.submitted) == before:
            now += 1_000
            await runner.look()
        starts.append(now)
    assert [later - earlier for earlier, later in itertools.pairwise(starts)] == [5e3, 10e3, 20e3, 40e3]
    assert cluster.submitted[-1] == f"{batch.id}-5"
    assert running._pause_ms(10_000) == 600_000


async def test_ended_batches_need_no_job(desk: Desk, cluster: Cluster, runner: BatchRunner) -> None:
    batch = await desk.begin(lines_of(1))
    await desk.run(batch, echo)
    cluster.away = True  # it is not even asked
    await runner.look()
    assert cluster.submitted == []


@pytest.mark.parametrize("status", ["validating", "in_progress", "finalizing", "cancelling"])
async def test_every_unfinished_status_needs_one(
    desk: Desk, cluster: Cluster, runner: BatchRunner, status: str
) -> None:
    batch = await desk.begin(lines_of(1))
    async with desk.engine.begin() as connection:
        await connection.execute(update(batches).values(status=status))
    await runner.look()
    assert cluster.submitted == [f"{batch.id}-1"]


async def test_jobs_are_bounded_and_no_tenant_waits_behind_anothers_second(
    desk: Desk, cluster: Cluster, runner: BatchRunner
) -> None:
    mine = [await desk.begin(lines_of(1)) for _ in range(3)]
    await runner.look()
    cluster.jobs.clear()
    cluster.submitted.clear()
    async with desk.engine.begin() as connection:
        await connection.execute(update(batches).values(job=None))
    theirs = await desk.begin(lines_of(1), "sk-other")
    await runner.look()
    assert cluster.submitted == [f"{batch.id}-1" for batch in (mine[0], theirs, mine[1])]
    await desk.run(mine[0], echo)
    await runner.look()
    assert cluster.submitted[3:] == [f"{mine[2].id}-1"]


async def test_a_tenant_whose_batches_hold_every_job_keeps_no_other_waiting(
    desk: Desk, cluster: Cluster, runner: BatchRunner
) -> None:
    """A begun batch may take its whole window, and that of the other's ends with it."""
    mine = [await desk.begin(lines_of(1)) for _ in range(desk.config.max_jobs)]
    await runner.look()
    assert len(cluster.submitted) == len(mine)
    theirs = [await desk.begin(lines_of(1), "sk-other") for _ in range(2)]
    await runner.look()
    assert cluster.submitted[len(mine) :] == [f"{theirs[0].id}-1"]  # beside them; their second one waits
    await runner.look()
    assert len(cluster.submitted) == len(mine) + 1


async def expire_at(desk: Desk, expires_ms: int) -> None:
    async with desk.engine.begin() as connection:
        await connection.execute(update(batches).values(expires_ms=expires_ms))


@pytest.mark.parametrize("ray_remembers", [True, False])
async def test_a_batch_that_outlived_its_window_while_the_stack_was_down_gets_its_job(
    desk: Desk, cluster: Cluster, runner: BatchRunner, ray_remembers: bool
) -> None:
    """The job writes down what expired and shows the answers that there are: nothing else can."""
    batch = await desk.begin(lines_of(2))
    await runner.look()
    write_results(desk, batch, "id-0")
    await expire_at(desk, 2_000)
    if ray_remembers:
        cluster.end(f"{batch.id}-1", ended_ms=1_000)
    else:
        cluster.jobs.clear()
    cluster.submitted.clear()
    await runner.look()
    assert cluster.submitted == [f"{batch.id}-{2 if ray_remembers else 1}"]
    ended = await desk.run(batch, echo)
    output, error = desk.results(ended)
    assert (ended.status, ended.completed, ended.failed) == ("expired", 1, 1)
    assert [line["custom_id"] for line in output + error] == ["id-0", "id-1"]


async def test_a_late_batch_is_given_up_once_its_jobs_have_failed_for_an_hour(
    desk: Desk, cluster: Cluster, runner: BatchRunner
) -> None:
    batch = await desk.begin(lines_of(1))
    await runner.look()
    await expire_at(desk, 1)
    assert (await desk.read(batch)).status == "validating"  # a job that runs is let run
    cluster.end(f"{batch.id}-1", ended_ms=2)
    await runner.look()
    cluster.end(f"{batch.id}-2", ended_ms=GIVE_UP_MS)
    await runner.look()
    assert cluster.submitted == [f"{batch.id}-{number}" for number in (1, 2, 3)]
    cluster.end(f"{batch.id}-3", ended_ms=GIVE_UP_MS + 2)
    await runner.look()
    ended = await desk.read(batch)
    assert (ended.status, ended.errors[0].code) == ("failed", "job_failed")
    assert (ended.output_file, ended.error_file) == (None, None)
    assert left_over(desk) == [batch.input_file]


def fail_for_an_hour(cluster: Cluster, batch: Batch) -> None:
    """Job 1 right after a window that ended at 1 ms, job 2 an hour later."""
    cluster.end(f"{batch.id}-1", ended_ms=2)
    cluster.end(f"{batch.id}-2", ended_ms=GIVE_UP_MS + 2)


def write_results(desk: Desk, batch: Batch, custom_id: str) -> None:
    """An answer on the disk, and one that a kill has torn."""
    output, error = (desk.files.path(batch.tenant, name) for name in (batch.output_name, batch.error_name))
    with Journal(batch.id, output, error) as journal:
        journal.add(Line(1, custom_id, CHAT, {}), Answer(200, {}))
    with output.open("ab") as file:
        file.write(b'{"id": "batch_req_')


def left_over(desk: Desk) -> list[str]:
    return sorted(path.name for path in desk.home.glob("files/*/*"))


async def test_giving_up_shows_the_answers_that_there_are(desk: Desk, cluster: Cluster, runner: BatchRunner) -> None:
    """They were paid for."""
    batch = await desk.begin(lines_of(2))
    await desk.batch_records.claim(batch.id, None, f"{batch.id}-2")
    await desk.batch_records.start(batch.id, 2)
    write_results(desk, batch, "id-0")
    await expire_at(desk, 1)
    fail_for_an_hour(cluster, batch)
    await runner.look()
    ended = await desk.read(batch)
    assert (ended.status, ended.errors[0].code) == ("failed", "job_failed")
    assert (ended.total, ended.completed, ended.failed, ended.error_file) == (2, 1, 0, None)
    output, _ = desk.results(ended)
    assert [line["custom_id"] for line in output] == ["id-0"]
    file = await desk.service.file(CALLERS["sk-one"], ended.output_file or "")
    assert file.bytes == desk.files.path("acme", file.id).stat().st_size
    assert left_over(desk) == sorted([batch.input_file, file.id])


async def test_a_batch_whose_results_cannot_be_read_is_not_given_up(
    desk: Desk, cluster: Cluster, runner: BatchRunner
) -> None:
    """Whoever mends the disk finds them."""
    batch = await desk.begin(lines_of(2))
    await desk.batch_records.claim(batch.id, None, f"{batch.id}-2")
    desk.files.path("acme", batch.output_name).mkdir()
    await expire_at(desk, 1)
    fail_for_an_hour(cluster, batch)
    await runner.look()
    assert (await desk.read(batch)).status == "validating"
    assert cluster.submitted == [f"{batch.id}-3"]


async def test_a_batch_that_a_process_works_on_by_hand_is_not_given_up(
    desk: Desk, cluster: Cluster, runner: BatchRunner
) -> None:
    batch = await desk.begin(lines_of(2))
    await desk.batch_records.claim(batch.id, None, f"{batch.id}-2")
    await expire_at(desk, 1)
    fail_for_an_hour(cluster, batch)
    with desk.files.lock("acme", batch.id):
        await runner.look()
    assert (await desk.read(batch)).status == "validating"
    assert cluster.submitted == []
    await runner.look()
    assert (await desk.read(batch)).status == "failed"


async def test_the_loop_outlives_a_cluster_that_is_away(desk: Desk, cluster: Cluster, runner: BatchRunner) -> None:
    batch = await desk.begin(lines_of(1))
    cluster.away = True
    following = asyncio.create_task(runner.follow())
    await eventually(lambda: cluster.asked > 3)
    cluster.away = False
    await eventually(lambda: bool(cluster.submitted))
    assert cluster.submitted == [f"{batch.id}-1"]
    assert not following.done()
    following.cancel()


async def test_a_new_batch_does_not_wait_for_the_next_round(desk: Desk, cluster: Cluster) -> None:
    config = desk.config.model_copy(update={"poll_s": 3600})
    runner = BatchRunner(config, desk.batch_records, desk.files, cluster)
    desk.service = BatchService(config, desk.file_records, desk.batch_records, desk.files, runner.wake)
    first = await desk.begin(lines_of(1))
    following = asyncio.create_task(runner.follow())
    await eventually(lambda: f"{first.id}-1" in cluster.jobs)  # the round is over, and the next one far off
    batch = await desk.begin(lines_of(1))
    await eventually(lambda: f"{batch.id}-1" in cluster.jobs)
    following.cancel()


async def test_a_batch_that_ends_while_the_cluster_is_asked_gets_no_job(desk: Desk) -> None:
    class Slow(Cluster):
        def states(self) -> Mapping[str, JobState]:
            with sqlite3.connect(desk.home / "sextant.db") as connection:
                connection.execute("UPDATE batches SET status = 'cancelled'")
            connection.close()
            return super().states()

    cluster = Slow()
    await desk.begin(lines_of(1))
    await BatchRunner(desk.config, desk.batch_records, desk.files, cluster).look()
    assert cluster.submitted == []


async def test_an_unstarted_batch_that_is_cancelled_gets_no_job(
    desk: Desk, cluster: Cluster, runner: BatchRunner
) -> None:
    batch: Batch = await desk.begin(lines_of(1))
    await desk.service.cancel(CALLERS["sk-one"], batch.id)
    assert not await desk.batch_records.claim(batch.id, None, "late")
    await runner.look()
    assert cluster.submitted == []
