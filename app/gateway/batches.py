"""The routes of OpenAI's batch API: `/v1/files` and `/v1/batches`."""

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from app.accounts.types import Caller
from app.batches.service import BatchService
from app.batches.wire import BatchPage, BatchRequest, FilePage, batch_object, file_object, page_object
from app.errors import ClientClosedRequest, NotFound, RequestTooSlow
from app.gateway.queries import parse_query
from app.gateway.receive import caller_of, gateway_of, read_body
from app.gateway.responses import json_response

router = APIRouter()


class WholeFile(FileResponse):
    """A file, always all of it: ranges would bring answers of the framework's own, in another shape than ours."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name, value) for name, value in scope["headers"] if name not in {b"range", b"if-range"}]
        await super().__call__({**scope, "headers": headers}, receive, send)


@router.post("/v1/files")
async def upload_file(request: Request) -> Response:
    """Store a file of requests."""
    caller, batches = _enter(request)
    timeout_s = batches.config.upload_timeout_s
    try:
        async with asyncio.timeout(timeout_s) as limit:
            file = await batches.upload(caller, request.headers.get("content-type", ""), _body(request))
    except TimeoutError:
        if not limit.expired():
            raise
        raise RequestTooSlow(f"The file did not arrive within {timeout_s:g} s.") from None
    return json_response(file_object(file))


@router.get("/v1/files")
async def list_files(request: Request) -> Response:
    """A page of files."""
    caller, batches = _enter(request)
    query = parse_query(FilePage, request)
    return json_response(page_object([file_object(f) for f in await batches.list_files(caller, query)], query.limit))


@router.get("/v1/files/{file_id}")
async def retrieve_file(request: Request, file_id: str) -> Response:
    """What is known of a file."""
    caller, batches = _enter(request)
    return json_response(file_object(await batches.file(caller, file_id)))


@router.get("/v1/files/{file_id}/content")
async def file_content(request: Request, file_id: str) -> Response:
    """A file's content, read from the disk as the client takes it."""
    caller, batches = _enter(request)
    path = await batches.content(caller, file_id)
    if not await asyncio.to_thread(path.is_file):
        raise NotFound(f"The content of {path.name!r} is gone.", param="file_id")
    return WholeFile(
        path,
        headers={"accept-ranges": "none"},
        media_type="application/octet-stream",
        filename=f"{path.name}.jsonl",
    )


@router.delete("/v1/files/{file_id}")
async def delete_file(request: Request, file_id: str) -> Response:
    """Delete a file."""
    caller, batches = _enter(request)
    file = await batches.delete_file(caller, file_id)
    return json_response({"id": file.id, "object": "file", "deleted": True})


@router.post("/v1/batches")
async def create_batch(request: Request) -> Response:
    """Have the requests of a file answered in the background."""
    caller, batches = _enter(request)
    return json_response(batch_object(await batches.create(caller, await read_body(request, BatchRequest))))


@router.get("/v1/batches")
async def list_batches(request: Request) -> Response:
    """A page of batches, newest first."""
    caller, batches = _enter(request)
    query = parse_query(BatchPage, request)
    return json_response(page_object([batch_object(b) for b in await batches.list_batches(caller, query)], query.limit))


@router.get("/v1/batches/{batch_id}")
async def retrieve_batch(request: Request, batch_id: str) -> Response:
    """How far a batch is."""
    caller, batches = _enter(request)
    return json_response(batch_object(await batches.batch(caller, batch_id)))


@router.post("/v1/batches/{batch_id}/cancel")
async def cancel_batch(request: Request, batch_id: str) -> Response:
    """End a batch early."""
    caller, batches = _enter(request)
    return json_response(batch_object(await batches.cancel(caller, batch_id)))


def _enter(request: Request) -> tuple[Caller, BatchService]:
    return caller_of(request), gateway_of(request).batches


async def _body(request: Request) -> AsyncIterator[bytes]:
    try:
        async for piece in request.stream():
            yield piece
    except ClientDisconnect:
        raise ClientClosedRequest("The client went away.") from None
