"""Uploads as clients should not send them, over a real socket. Nothing of a refused one stays."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.batches.files import UPLOAD
from tests.unit.batches.desk import Desk, api_of, eventually, open_desk
from tests.unit.server import listening
from tests.unit.wire import error_of

AUTHORIZED = {"authorization": "Bearer sk-one"}
FORM = {**AUTHORIZED, "content-type": "multipart/form-data; boundary=B"}
PURPOSE = b'--B\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
FILE = b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n{}\r\n'
END = b"--B--\r\n"


@pytest.fixture
def url(desk: Desk) -> Any:
    with listening(api_of(desk)) as address:
        yield f"{address}/v1/files"


def left_over(desk: Desk) -> list[str]:
    return [path.name for path in desk.home.glob("files/*/*")]


@pytest.mark.parametrize("body", [PURPOSE + FILE + END, FILE + PURPOSE + END], ids=["file last", "file first"])
async def test_the_parts_come_in_any_order(http: httpx.AsyncClient, body: bytes) -> None:
    response = await http.post("/v1/files", content=body, headers=FORM)
    assert response.status_code == 200
    assert (response.json()["bytes"], response.json()["filename"]) == (2, "a.jsonl")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"nonsense", None),
        (END, "file"),
        (PURPOSE + FILE, None),
        (PURPOSE + FILE[:-5], None),
        (PURPOSE + END, "file"),
        (FILE + END, "purpose"),
        (FILE + FILE + PURPOSE + END, "file"),
        (PURPOSE + PURPOSE + FILE + END, "purpose"),
        (PURPOSE.replace(b"batch", b"fine-tune") + FILE + END, "purpose"),
        (PURPOSE.replace(b"batch", b"b" * 1000) + FILE + END, "purpose"),
        (PURPOSE + FILE.replace(b'; filename="a.jsonl"', b"") + END, "file"),
        (PURPOSE + FILE.replace(b"Content-Disposition", b"X-Other") + END, None),
        (PURPOSE.replace(b"purpose", b"expires_after[seconds]") + FILE + END, "expires_after[seconds]"),
        (PURPOSE.replace(b"Content-Disposition", b"H" * 100_000) + FILE + END, None),
    ],
)
async def test_a_wrong_form_is_a_400_and_leaves_nothing(
    desk: Desk, http: httpx.AsyncClient, body: bytes, param: str | None
) -> None:
    response = await http.post("/v1/files", content=body, headers=FORM)
    assert error_of(response, 400)["param"] == param
    assert left_over(desk) == []


async def test_other_media_types_are_refused(http: httpx.AsyncClient) -> None:
    for media_type in ("application/json", "multipart/form-data", "multipart/form-data; boundary="):
        error_of(await http.post("/v1/files", content=PURPOSE, headers={"content-type": media_type}), 415)
    huge = f"multipart/form-data; boundary={'b' * 1000}"
    error_of(await http.post("/v1/files", content=PURPOSE, headers={"content-type": huge}), 400)


@pytest.mark.parametrize("size", [100_001, 130_000])
async def test_a_file_over_the_bound_is_a_413_and_leaves_nothing(desk: Desk, url: str, size: int) -> None:
    body = PURPOSE + FILE.replace(b"{}", b"x" * size) + END
    async with httpx.AsyncClient() as client:
        error_of(await client.post(url, content=body, headers=FORM), 413)
    assert left_over(desk) == []


async def test_a_name_is_shown_and_nothing_else(desk: Desk, url: str) -> None:
    name = "../../etc/pässwd\x1b[31m.jsonl"
    body = PURPOSE + FILE.replace(b"a.jsonl", name.encode()) + END
    async with httpx.AsyncClient() as client:
        response = await client.post(url, content=body, headers=FORM)
    assert response.json()["filename"] == "../../etc/pässwd[31m.jsonl"
    assert left_over(desk) == [response.json()["id"]]
    assert oct(desk.files.path("acme", response.json()["id"]).stat().st_mode & 0o777) == "0o600"


async def test_a_client_that_leaves_in_the_middle_leaves_nothing(desk: Desk, url: str) -> None:
    _, writer = await half_an_upload(url)
    await eventually(lambda: any(name.endswith(UPLOAD) for name in left_over(desk)))
    writer.close()
    await eventually(lambda: not left_over(desk))


async def half_an_upload(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which the rest of a body never comes."""
    host, port = httpx.URL(url).host, httpx.URL(url).port
    reader, writer = await asyncio.open_connection(host, port)
    head = "".join(f"{name}: {value}\r\n" for name, value in {**FORM, "host": host, "content-length": "99999"}.items())
    writer.write(f"POST /v1/files HTTP/1.1\r\n{head}\r\n".encode() + PURPOSE + FILE)
    await writer.drain()
    return reader, writer


async def test_an_upload_that_never_ends_is_a_408(tmp_path: Path) -> None:
    async with open_desk(tmp_path, upload_timeout_s=0.2) as desk:
        with listening(api_of(desk)) as address:
            reader, writer = await half_an_upload(address)
            assert b" 408 " in await reader.readline()
            writer.close()
        assert left_over(desk) == []


async def test_uploads_at_once_are_bounded_by_tenant_and_end_with_their_clients(desk: Desk, url: str) -> None:
    halves = [(await half_an_upload(url))[1] for _ in range(desk.config.max_uploads)]
    await eventually(lambda: len(left_over(desk)) == len(halves))
    async with httpx.AsyncClient() as client:
        refused = await client.post(url, content=PURPOSE + FILE + END, headers=FORM)
        error_of(refused, 429)
        assert refused.headers["retry-after"] == "5"
        other = await client.post(
            url, content=PURPOSE + FILE + END, headers={**FORM, "authorization": "Bearer sk-other"}
        )
        assert other.status_code == 200
        for writer in halves:
            writer.close()
        await eventually(lambda: len(left_over(desk)) == 1)
        assert (await client.post(url, content=PURPOSE + FILE + END, headers=FORM)).status_code == 200


def test_no_tenants_name_is_a_path(desk: Desk) -> None:
    for tenant in ("..", ".", "../../x", "a/b", "", "\x00", "ü"):
        path = desk.files.path(tenant, "file-1")
        assert path.parent.parent == desk.home / "files"
        assert path.resolve() == path
    assert desk.files.path("a", "f") != desk.files.path("A", "f")
