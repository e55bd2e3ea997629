"""The FastAPI application around a `Gateway`."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.errors import InvalidRequest, MethodNotAllowed, NotFound, SextantError
from app.gateway import admin, batches, conversations, dialects, memories, operations, routes, usage
from app.gateway.envelope import Envelope
from app.gateway.gateway import Gateway
from app.gateway.responses import error_response


def create_api(
    gateway: Gateway,
    background: AbstractAsyncContextManager[None] | None = None,
    *,
    request_id_echoed: bool = False,
) -> FastAPI:
    """The ASGI application. `background` runs for as long as it does."""

    @asynccontextmanager
    async def lifespan(api: FastAPI) -> AsyncIterator[None]:
        if background is None:
            yield
        else:
            async with background:
                yield

    # The interactive pages load scripts from elsewhere; the schema itself is enough for tools.
    api = FastAPI(
        title="Sextant", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False, lifespan=lifespan
    )
    api.state.gateway = gateway
    for router in (
        routes.router,
        dialects.responses,
        dialects.messages,
        batches.router,
        conversations.router,
        memories.router,
        usage.router,
        admin.router,
        operations.router,
    ):
        api.include_router(router)
    api.add_exception_handler(SextantError, _sextant_error)
    api.add_exception_handler(HTTPException, _http_error)
    api.add_middleware(Envelope, echoed=request_id_echoed)
    return api


async def _sextant_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, SextantError)
    return error_response(error)


async def _http_error(request: Request, error: Exception) -> Response:
    """What the framework raises by itself: no such route, wrong method."""
    assert isinstance(error, HTTPException)
    known = {
        404: NotFound(f"There is no route {request.method} {request.url.path[:200]}."),
        405: MethodNotAllowed(f"{request.url.path[:200]} does not take {request.method}."),
    }
    response = error_response(known.get(error.status_code) or InvalidRequest("The request could not be read."))
    allow = Headers(error.headers or {}).get("allow")
    if allow:
        response.headers["allow"] = allow
    return response
