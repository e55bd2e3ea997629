"""A process that runs one batch and can be killed: `python -m tests.unit.batches.worker HOME BATCH [URL]`.

With no URL every request succeeds at once. Prints by how much its memory grew, in MB.
"""

import asyncio
import resource
import sys
from pathlib import Path

import httpx

from app.batches.answer import Answer
from app.batches.batch_records import BatchRecords
from app.batches.files import FileStore
from app.batches.lines import Line
from app.batches.run import BatchRun
from app.batches.send import GatewaySender
from app.batches.types import Batch
from app.config.batches import BatchesConfig
from app.sql.database import database_url, open_database


async def main(home: Path, batch_id: str, url: str | None) -> None:
    engine = open_database(database_url(None, home))
    async with httpx.AsyncClient(base_url=url or "") as client:
        send = GatewaySender(client, lambda batch, ttl_s: f"sk-batch-{batch.id}") if url else succeed
        run = BatchRun(BatchesConfig(), BatchRecords(engine), FileStore(home / "files"), send, tick_s=0.05)
        before = peak_mb()
        await run.run(batch_id)
        print(peak_mb() - before)
    await engine.dispose()


async def succeed(batch: Batch, line: Line) -> Answer:
    await asyncio.sleep(0)
    return Answer(200, line.body)


def peak_mb() -> float:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None))
