"""The routes for those who run the stack: health and the console."""

from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from app.config.addresses import without_credentials
from app.errors import NotFound
from app.gateway.gateway import Gateway
from app.gateway.responses import json_response

router = APIRouter()

CONSOLE = Path(__file__).resolve().parents[1] / "console"
CONSOLE_FILES = {path.name: path for path in CONSOLE.iterdir() if path.suffix in {".html", ".css", ".js", ".svg"}}
CONSOLE_HEADERS = {
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


@router.get("/healthz")
async def healthz() -> Response:
    """The process is alive. Says nothing about what it depends on."""
    return json_response({"status": "ok"})


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """Whether requests can be answered, and the state of each dependency."""
    gateway: Gateway = request.app.state.gateway
    readiness = await gateway.readiness.check()
    return json_response(readiness.body, 200 if readiness.ready else 503)


@router.get("/")
@router.get("/console")
async def root() -> Response:
    """A browser lands on the console."""
    return RedirectResponse("/console/")


@router.get("/favicon.ico")
async def favicon() -> Response:
    """Browsers ask for it; there is none."""
    return Response(status_code=204)


@router.get("/console/links")
async def console_links(request: Request) -> Response:
    """Where MLflow and Ray's dashboard are. Anybody may ask, so no address keeps its credentials."""
    gateway: Gateway = request.app.state.gateway
    return json_response({name: url and without_credentials(url) for name, url in gateway.links.items()})


@router.get("/console/{name:path}")
async def console(name: str) -> Response:
    """The console's files. The page holds no secrets: it asks for the key."""
    path = CONSOLE_FILES.get(name or "index.html")
    if path is None:
        raise NotFound("There is no such page.")
    return FileResponse(path, headers=CONSOLE_HEADERS)
