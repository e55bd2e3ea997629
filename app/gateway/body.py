"""Reading a request's body within its bounds, and noticing a client that leaves."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from app.errors import ClientClosedRequest, PayloadTooLarge, RequestTooSlow, UnsupportedMediaType

T = TypeVar("T")
# Python refuses to read numbers of thousands of digits; these are more bytes than anybody sends.
MAX_DIGITS = 18


async def read_json_body(request: Request, limit: int, timeout_s: float) -> bytes:
    """The body. Raises UnsupportedMediaType, PayloadTooLarge, RequestTooSlow, ClientClosedRequest."""
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise UnsupportedMediaType(f"The body must be application/json, not {media_type[:100]!r}.")
    too_large = PayloadTooLarge(f"The body is larger than {limit:,} bytes.")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and (len(declared) > MAX_DIGITS or int(declared) > limit):
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for piece in request.stream():
                body += piece
                if len(body) > limit:
                    raise too_large
    except TimeoutError:
        raise RequestTooSlow(f"The body did not arrive within {timeout_s:g} s.") from None
    except ClientDisconnect:
        raise ClientClosedRequest("The client went away.") from None
    return bytes(body)


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Do the work as long as the client is there. Raises ClientClosedRequest when it leaves."""
    task = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(until_disconnect(request.receive))
    try:
        await asyncio.wait({task, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientClosedRequest("The client went away.")
    finally:
        leaving.cancel()
        if not task.done():
            task.cancel()
            # Let it clean up: the generation ends in the engine before this request is over.
            await asyncio.wait({task})


async def until_disconnect(receive: Receive) -> None:
    """Return once the client has gone; the body must have been read before."""
    while (await receive())["type"] != "http.disconnect":
        pass
