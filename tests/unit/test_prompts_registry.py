"""The registry can say anything: what cannot be served is not, and the file or the last good version stays."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from app.config import PromptsConfig
from app.prompts import PromptBook

TEMPLATE = "From {{passages}} answer {{question}}."


@pytest.fixture
def config(tmp_path: Path) -> PromptsConfig:
    (tmp_path / "docs.md").write_text(TEMPLATE)
    return PromptsConfig(directory=str(tmp_path), refresh_s=0.02)


def version(text: str, number: str = "2") -> dict[str, Any]:
    return {"model_version": {"version": number, "tags": [{"key": "mlflow.prompt.text", "value": text}]}}


async def refreshed(config: PromptsConfig, body: bytes) -> PromptBook:
    book = PromptBook(config, {"docs"}, None)
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=body))
    async with httpx.AsyncClient(transport=transport, base_url="http://mlflow") as client:
        await book.refresh(client)
    return book


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"null", b"[]", b'"x"', b'{"model_version": null}', b'{"model_version": "x"}',
     b'{"model_version": {"version": "2", "tags": null}}', b'{"model_version": {"version": "2", "tags": ["x"]}}',
     b'{"model_version": {"version": "2", "tags": [{"key": "mlflow.prompt.text", "value": null}]}}'],
)  # fmt: skip
async def test_an_answer_that_makes_no_sense_changes_nothing_and_does_not_end_the_following(
    config: PromptsConfig, body: bytes
) -> None:
    assert (await refreshed(config, body))["docs"].template == TEMPLATE


@pytest.mark.parametrize("text", ["From {{passages}} answer {{qestion}}.", "Answer {{question}}.", "Nothing.", ""])
async def test_a_version_that_could_not_be_filled_in_is_not_served(
    config: PromptsConfig, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    book = await refreshed(config, orjson.dumps(version(text)))

    assert book["docs"].template == TEMPLATE
    assert "docs" in caplog.text


async def test_a_version_with_the_same_variables_is_served(config: PromptsConfig) -> None:
    book = await refreshed(config, orjson.dumps(version("{{ question }}: {{passages}}")))

    assert book.versions == {"docs": "2"}


class Registry(BaseHTTPRequestHandler):
    bodies: list[bytes]

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        body = self.bodies.pop(0) if len(self.bodies) > 1 else self.bodies[0]
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def registry() -> Iterator[str]:
    Registry.bodies = [b"null", orjson.dumps(version("New {{passages}} {{question}}", "5"))]
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


async def test_following_goes_on_after_nonsense(config: PromptsConfig, registry: str) -> None:
    book = PromptBook(config, {"docs"}, registry)
    following = asyncio.create_task(book.follow())
    async with asyncio.timeout(5):
        while book["docs"].version != "5":
            assert not following.done(), "it ended"
            await asyncio.sleep(0.01)
    following.cancel()
