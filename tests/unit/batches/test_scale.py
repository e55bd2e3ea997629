"""The largest batch that is allowed."""

import asyncio
import itertools
import json
import subprocess
import sys

from app.config.files import PROJECT
from tests.unit.batches.desk import Desk, request_line

REQUESTS = 50_000


async def test_fifty_thousand_requests_are_run_without_being_held_in_memory(desk: Desk) -> None:
    content = b"".join(json.dumps(request_line(f"id-{n}", text="x" * 900)).encode() + b"\n" for n in range(REQUESTS))
    batch = await desk.begin(content)
    command = [sys.executable, "-m", "tests.unit.batches.worker", str(desk.home), batch.id]
    done = await asyncio.to_thread(subprocess.run, command, cwd=PROJECT, capture_output=True, timeout=60)
    ended = await desk.read(batch)
    assert (ended.status, ended.completed) == ("completed", REQUESTS)
    with desk.files.path("acme", ended.output_name).open() as file:
        ids = {json.loads(line)["custom_id"] for line in itertools.islice(file, REQUESTS + 1)}
    assert len(ids) == REQUESTS
    # The file has 50 MB and the results have 55; the ids of 50,000 lines, twice, are what may be held.
    assert len(content) > 45_000_000
    assert float(done.stdout) < 30
