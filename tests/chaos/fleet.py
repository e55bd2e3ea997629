"""A stack of several ingress replicas in front of provider doubles, and what chaos needs to know of it."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import psutil

from tests.e2e.conftest import Stack, start_stack, stop_stack

REPLICAS = 4
INGRESS = "ServeReplica:sextant:Ingress"


@dataclass(frozen=True)
class Answer:
    """What a client got. `status` 0: the connection broke."""

    status: int
    id: str = ""
    retry_after: str | None = None


@dataclass(frozen=True)
class Fleet:
    """A running stack, and its admin routes."""

    stack: Stack
    admin: httpx.Client
    replicas: int = REPLICAS

    def create_key(self, **settings: Any) -> tuple[str, str]:
        """A new key's id and secret, known to every replica."""
        made = self.admin.post("/keys", json={"tenant": "chaos", **settings})
        assert made.status_code == 201, made.text
        time.sleep(1.5)  # the others have read it by then: accounts.refresh_s is 1
        return made.json()["id"], made.json()["key"]

    def budget(self, key_id: str) -> dict[str, Any]:
        """The one budget of a key, as it stands."""
        found = self.admin.get("/budgets", params={"subject": f"key:{key_id}"}).json()["data"]
        assert len(found) == 1
        return dict(found[0])

    def rows(self, key_id: str) -> list[dict[str, Any]]:
        """Every usage row of a key."""
        rows: list[dict[str, Any]] = []
        after: dict[str, str] = {}
        while True:
            page = self.admin.get("/requests", params={"key": key_id, "limit": 1000, **after}).json()
            rows += page["data"]
            if not page["has_more"]:
                return rows
            after = {"after": rows[-1]["id"]}

    def ingresses(self) -> list[psutil.Process]:
        """The ingress replicas' processes."""
        return processes(self.stack.process.pid, INGRESS)

    def heal(self) -> None:
        """Wait until all replicas are back and ready."""
        eventually(lambda: len(self.ingresses()) == self.replicas and self._is_ready())

    def _is_ready(self) -> bool:
        try:
            # Each replica must have answered: the proxy takes turns.
            return all(
                httpx.get(f"{self.stack.url}/readyz", timeout=5).status_code == 200 for _ in range(2 * self.replicas)
            )
        except httpx.HTTPError:
            return False


async def storm(url: str, secret: str, bodies: list[dict[str, Any]], at_once: int) -> list[Answer]:
    """Send all bodies, `at_once` at a time, each client on a connection of its own."""
    turns = asyncio.Semaphore(at_once)
    connector = aiohttp.TCPConnector(limit=0, force_close=False)
    timeout = aiohttp.ClientTimeout(total=120)
    headers = {"authorization": f"Bearer {secret}"}
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session:

        async def ask(body: dict[str, Any]) -> Answer:
            async with turns:
                try:
                    async with session.post(f"{url}/v1/chat/completions", json=body) as response:
                        text = await response.text()
                except (aiohttp.ClientError, OSError, TimeoutError):
                    return Answer(0)
                whole = json.loads(text) if response.content_type == "application/json" else {}
                return Answer(response.status, whole.get("id", ""), response.headers.get("retry-after"))

        return list(await asyncio.gather(*map(ask, bodies)))


def questions(count: int, model: str, **fields: Any) -> list[dict[str, Any]]:
    """Bodies with unique prompts."""
    return [
        {"model": model, "messages": [{"role": "user", "content": f"Question {number}."}], "max_tokens": 10, **fields}
        for number in range(count)
    ]


def processes(parent: int, name: str) -> list[psutil.Process]:
    """Descendants whose command line holds a name."""
    found = []
    for process in psutil.Process(parent).children(recursive=True):
        try:
            if name in " ".join(process.cmdline()) or name in process.name():
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def eventually(condition: Callable[[], bool], within_s: float = 120) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.25)


@contextmanager
def provider(*arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A provider double in a process of its own: its address and its process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.provider_double", *arguments], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    yield process.stdout.readline().strip(), process
    process.kill()
    process.wait()


@contextmanager
def fleet(home: Path, args: dict[str, Any], replicas: int = REPLICAS) -> Iterator[Fleet]:
    """A stack without models of its own; `args` are the configuration's."""
    home.mkdir(parents=True)
    documents = home / "documents"
    documents.mkdir()
    (documents / "note.md").write_text("# Note\n\nNothing is written here.\n")
    config = home / "fleet.yaml"
    # JSON is YAML.
    config.write_text(
        json.dumps(
            {
                "proxy_location": "HeadOnly",
                "logging_config": {"log_level": "WARNING", "enable_access_log": False},
                "applications": [
                    {
                        "name": "sextant",
                        "route_prefix": "/",
                        "import_path": "deployments.application:build_app",
                        "args": {"gateway": {"replicas": replicas}, "guard": {"enabled": False}, **args},
                    }
                ],
            }
        )
    )
    stack = start_stack(home, "--config", str(config), "--docs", str(documents))
    admin_key = (home / "admin_key").read_text().strip()
    with httpx.Client(
        base_url=f"{stack.url}/admin/v1", headers={"authorization": f"Bearer {admin_key}"}, timeout=30
    ) as admin:
        running = Fleet(stack, admin, replicas)
        running.heal()
        yield running
    stop_stack(stack)
