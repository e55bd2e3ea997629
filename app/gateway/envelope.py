"""The outermost layer: request id in and out, and the one place where exceptions become answers."""

import logging
import re
import uuid

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import ClientClosedRequest, InvalidRequest
from app.gateway.responses import error_response
from app.pipeline.flight import as_sextant_error, without_text

logger = logging.getLogger(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class Envelope:
    """ASGI middleware. `scope["state"]["request_id"]` is the id below it."""

    def __init__(self, app: ASGIApp, *, echoed: bool) -> None:
        """`echoed`: the server in front (Ray Serve) gives every request an id and sends it back."""
        self._app = app
        self._echoed = echoed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        offered = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"x-request-id"), "")
        is_id = not offered or _REQUEST_ID.fullmatch(offered)
        # One that is refused is not sent back either, and does not get into the log.
        identifier = offered if offered and is_id else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = identifier
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                if not self._echoed:
                    headers["x-request-id"] = identifier
                headers["x-content-type-options"] = "nosniff"
            await send(message)

        try:
            if not is_id:
                raise InvalidRequest("x-request-id must be 1 to 128 letters, digits, dots, colons, dashes.")
            await self._app(scope, receive, send_with_id)
        except Exception as raised:
            error = as_sextant_error(raised)
            if error is not raised:
                logger.error("request %s failed: %s", identifier, type(raised).__name__, exc_info=without_text(raised))
            if started or isinstance(error, ClientClosedRequest):
                return
            await error_response(error)(scope, receive, send_with_id)
