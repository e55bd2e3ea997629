"""What tests of batches share: records in a real SQLite file, real files, and servers on real sockets."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.accounts.types import Caller
from app.batches.answer import Answer
from app.batches.batch_records import BatchRecords
from app.batches.file_records import FileRecords
from app.batches.files import FileStore
from app.batches.lines import Line
from app.batches.run import BatchRun, Send
from app.batches.service import BatchService
from app.batches.types import Batch, StoredFile
from app.batches.wire import BatchRequest
from app.clock import now_ms
from app.config import GatewayConfig
from app.config.batches import BatchesConfig
from app.errors import Unauthenticated
from app.gateway.api import create_api
from app.sql.database import database_url, open_database
from app.sql.schema import metadata

CALLERS = {
    "sk-one": Caller("acme", "key-1"),
    "sk-two": Caller("acme", "key-2"),
    "sk-eu": Caller("acme", "key-4", customer="eu"),
    "sk-us": Caller("acme", "key-5", customer="us"),
    "sk-other": Caller("other", "key-3"),
    "sk-batch": Caller("acme", "key-1", batch="batch_1"),
}
CHAT: Final = "/v1/chat/completions"


@dataclass
class Desk:
    """Everything but the gateway and Ray."""

    home: Path
    config: BatchesConfig
    engine: AsyncEngine

    def __post_init__(self) -> None:
        self.file_records = FileRecords(self.engine)
        self.batch_records = BatchRecords(self.engine)
        self.files = FileStore(self.home / "files")
        self.service = BatchService(self.config, self.file_records, self.batch_records, self.files)

    def gateway(self) -> Any:
        """What the routes ask of `request.app.state.gateway`."""
        return SimpleNamespace(batches=self.service, directory=Directory(), config=GatewayConfig())

    async def begin(self, lines: list[dict[str, Any]] | bytes, key: str = "sk-one", endpoint: str = CHAT) -> Batch:
        """A batch of these lines that waits for its job."""
        content = lines if isinstance(lines, bytes) else b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        caller = CALLERS[key]
        name, size = f"file-{time.time_ns()}", len(content)
        file = StoredFile(name, caller.tenant, caller.key_id, "x", "batch", size, now_ms(), caller.customer)
        async with self.files.writing(caller.tenant, file.id) as write:
            await write(content)
        await self.file_records.add(file)
        request = BatchRequest.model_validate(
            {"input_file_id": file.id, "endpoint": endpoint, "completion_window": "24h"}
        )
        return await self.service.create(caller, request)

    async def run(self, batch: Batch, send: Send) -> Batch:
        """Run it in this process."""
        return await BatchRun(self.config, self.batch_records, self.files, send, tick_s=0.02).run(batch.id)

    async def read(self, batch: Batch) -> Batch:
        found = await self.batch_records.get(batch.id)
        assert found is not None
        return found

    def results(self, batch: Batch) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The lines of the output and of the error file of a batch that has ended."""
        names = (batch.output_file, batch.error_file)
        both = [self.files.path(batch.tenant, name).read_text() if name else "" for name in names]
        output, error = ([json.loads(line) for line in text.splitlines()] for text in both)
        return output, error


@asynccontextmanager
async def open_desk(home: Path, database: str | None = None, **settings: Any) -> AsyncIterator[Desk]:
    engine = open_database(database_url(database, home))
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield Desk(home, BatchesConfig(**settings), engine)
    await engine.dispose()


class Directory:
    """Knows the keys above."""

    def authenticate(self, authorization: str | None, api_key: str | None = None) -> Caller:
        caller = CALLERS.get((authorization or "").removeprefix("Bearer ") or api_key or "")
        if caller is None:
            raise Unauthenticated("This API key is not valid.")
        return caller


def api_of(desk: Desk) -> FastAPI:
    """The gateway's application with the routes of batches in it."""
    return create_api(desk.gateway())


def lines_of(count: int, **body: Any) -> list[dict[str, Any]]:
    """So many good lines."""
    return [request_line(f"id-{number}", **body) for number in range(count)]


def request_line(custom_id: str, **body: Any) -> dict[str, Any]:
    return {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": {"model": "m", **body}}


async def eventually(condition: Callable[[], bool], within_s: float = 10) -> None:
    """Wait for something that another task or process does."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - it may be a file or a process, which no event tells of
            await asyncio.sleep(0.005)


async def echo(batch: Batch, line: Line) -> Answer:
    """A `send` that always succeeds."""
    return Answer(200, {"echo": line.custom_id}, "request")


class GatewayDouble:
    """Answers each request by what its body says: `statuses`, one after the other, the last one for ever."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.app = FastAPI()
        self.app.post("/v1/chat/completions")(self._chat)
        self._tries: dict[str, int] = {}

    async def _chat(self, request: Request) -> Response:
        body = await request.json()
        self.seen.append(body)
        self.headers.append(dict(request.headers))
        name = request.headers["x-request-id"]
        tries = self._tries[name] = self._tries.get(name, 0) + 1
        statuses = body.get("statuses", [200])
        status = statuses[min(tries, len(statuses)) - 1]
        headers = {"x-request-id": name} | ({"retry-after": "0"} if status == 429 else {})
        if status == 599:
            return Response("<html>", 502, headers)
        return JSONResponse({"status": status, "text": body.get("text")}, status, headers)
