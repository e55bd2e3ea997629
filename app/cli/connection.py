"""Finding the stack and its admin key, and asking it; every failure becomes a sentence that says what to do."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import typer

from app.config import default_home
from app.loopback import is_here

DEFAULT_URL = "http://127.0.0.1:8000"
TIMEOUT_S = 60.0


class CommandFailed(Exception):
    """`str()` says what is wrong and what to do next."""


class Stack:
    """A running stack's admin routes."""

    def __init__(self, url: str, admin_key: str) -> None:
        base_url = _address(url)
        self._client = httpx.Client(
            base_url=base_url.copy_with(path=f"{base_url.path.rstrip('/')}/admin/v1"),
            headers={"authorization": f"Bearer {admin_key}"},
            timeout=TIMEOUT_S,
            trust_env=not is_here(base_url.host),  # no proxy of the environment leads to this machine
        )

    def ask(
        self, method: str, path: str, query: dict[str, Any] | None = None, body: dict[str, Any] | None = None
    ) -> Any:
        """The decoded answer. Raises CommandFailed."""
        response = self._send(method, path, query, body)
        try:
            return response.json()
        except ValueError:
            raise CommandFailed(f"{self._client.base_url} is no Sextant stack; check --url") from None

    def all_of(self, path: str, query: dict[str, Any], after: str = "id") -> Iterator[dict[str, Any]]:
        """Every row of a list, page after page; `after` names the field that the next page goes by."""
        query = {**query, "limit": 1000}
        while True:
            page = self.ask("GET", path, query)
            yield from page["data"]
            if not page["has_more"]:
                return
            query["after"] = page["data"][-1][after]

    def table(self, path: str, query: dict[str, Any]) -> Iterator[str]:
        """A CSV, page after page, with one head. Where a page goes on is the stack's to say, in its link."""
        response = self._send("GET", path, {**query, "format": "csv", "limit": 1000}, None)
        yield response.text
        while following := response.links.get("next"):
            response = self._send("GET", path, dict(httpx.URL(following["url"]).params), None)
            yield response.text.partition("\r\n")[2]

    def _send(
        self, method: str, path: str, query: dict[str, Any] | None, body: dict[str, Any] | None
    ) -> httpx.Response:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        try:
            response = self._client.request(method, path, params=given, json=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            where = self._client.base_url.copy_with(path="/")
            raise CommandFailed(
                f"no stack answers at {where} ({type(error).__name__}); start it with `make serve`, or pass --url"
            ) from None
        if response.is_success:
            return response
        raise CommandFailed(_reason(response))


def segment(identifier: str) -> str:
    """An id as one part of a path, whatever is in it."""
    return quote(identifier, safe="")


def running_url(home: Path) -> str:
    """Where the stack of this home listens, as `make serve` has written it down, else the usual place."""
    path = home / "run" / "stack.json"
    try:
        return str(json.loads(path.read_text())["base_url"]).removesuffix("/v1")
    except FileNotFoundError:
        return DEFAULT_URL
    except (OSError, ValueError, KeyError, TypeError):
        raise CommandFailed(f"{path} holds no base_url; start the stack anew, or pass --url") from None


def find_stack(url: str | None) -> Stack:
    """Raises CommandFailed when there is no admin key."""
    home = default_home()
    key = os.environ.get("SEXTANT_ADMIN_KEY", "").strip() or _read(home / "admin_key")
    if not key:
        raise CommandFailed(f"no admin key: set SEXTANT_ADMIN_KEY, or SEXTANT_HOME to the stack's home (now {home})")
    if not (key.isascii() and key.isprintable()):
        raise CommandFailed("the admin key holds characters that no header can; check SEXTANT_ADMIN_KEY or admin_key")
    return Stack((url or running_url(home)).rstrip("/").removesuffix("/v1"), key)


def stack_of(context: typer.Context) -> Stack:
    """The stack that a command speaks to, looked up now: `--help` needs none. Raises CommandFailed."""
    stack: Stack = context.obj()
    return stack


def _address(url: str) -> httpx.URL:
    try:
        return httpx.URL(url)
    except httpx.InvalidURL:
        raise CommandFailed(f"{url!r} is no address; check --url") from None


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{path} cannot be read ({type(error).__name__}); set SEXTANT_ADMIN_KEY") from None


def _reason(response: httpx.Response) -> str:
    try:
        message = str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"the answer was {response.status_code}, not from a Sextant stack; check --url"
    advice = {
        401: " Set SEXTANT_ADMIN_KEY to the admin key of that stack.",
        403: " Set SEXTANT_ADMIN_KEY to the admin key of that stack.",
        503: " Try again in a moment; GET /readyz tells what is down.",
    }
    return message + advice.get(response.status_code, "")
