"""The official client against the routes, over a real socket."""

from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI

from tests.unit.batches.desk import CALLERS, CHAT, Desk, api_of, echo, lines_of, open_desk
from tests.unit.server import listening
from tests.unit.wire import error_of

JSONL = b'{"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m"}}\n'


@pytest.fixture
def url(desk: Desk) -> Any:
    with listening(api_of(desk)) as address:
        yield address


@pytest.fixture
async def client(url: str) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-one", max_retries=0) as opened:
        yield opened


async def upload(client: AsyncOpenAI, content: bytes = JSONL, name: str = "in.jsonl") -> Any:
    return await client.files.create(file=(name, BytesIO(content)), purpose="batch")


async def test_a_file_is_uploaded_looked_up_read_and_deleted(client: AsyncOpenAI, desk: Desk) -> None:
    file = await upload(client)
    assert (file.object, file.bytes, file.filename, file.purpose) == ("file", len(JSONL), "in.jsonl", "batch")
    assert await client.files.retrieve(file.id) == file
    assert (await client.files.content(file.id)).read() == JSONL
    assert (await client.files.delete(file.id)).deleted
    for question in (client.files.retrieve, client.files.content):
        with pytest.raises(openai.NotFoundError):
            await question(file.id)
    assert not desk.files.path("acme", file.id).exists()


async def test_a_file_may_be_deleted_again_which_removes_what_a_kill_left(client: AsyncOpenAI, desk: Desk) -> None:
    file = await upload(client)
    await desk.file_records.delete(CALLERS["sk-one"], file.id)  # and here the process is killed
    path = desk.files.path("acme", file.id)
    assert path.exists()
    for key in ("sk-other", "sk-eu"):
        with pytest.raises(openai.NotFoundError):
            await client.with_options(api_key=key).files.delete(file.id)
    assert path.exists()
    for _ in range(2):
        assert (await client.files.delete(file.id)).deleted
        assert not path.exists()
    with pytest.raises(openai.NotFoundError):
        await client.files.delete("file-none")


@pytest.mark.parametrize("size", [0, 1, 65_536, 99_999, 100_000])
async def test_content_comes_back_byte_for_byte(client: AsyncOpenAI, size: int) -> None:
    # Much that looks like a boundary, and no text.
    content = (b"\r\n--" + bytes(range(256)))[:size] * (size // 260 + 1)
    file = await upload(client, content[:size])
    assert file.bytes == size
    assert (await client.files.content(file.id)).read() == content[:size]


async def test_a_batch_is_made_run_and_read(client: AsyncOpenAI, desk: Desk) -> None:
    file = await upload(client)
    batch = await client.batches.create(
        input_file_id=file.id, endpoint=CHAT, completion_window="24h", metadata={"night": "1"}
    )
    assert (batch.status, batch.endpoint, batch.metadata) == ("validating", CHAT, {"night": "1"})
    assert batch.expires_at is not None
    assert batch.expires_at - batch.created_at == 86_400
    row = await desk.batch_records.get(batch.id)
    assert row is not None
    await desk.run(row, echo)
    ended = await client.batches.retrieve(batch.id)
    assert ended.status == "completed"
    assert ended.request_counts is not None
    assert ended.request_counts.model_dump() == {"total": 1, "completed": 1, "failed": 0}
    assert ended.in_progress_at and ended.finalizing_at and ended.completed_at  # noqa: PT018
    assert (ended.failed_at, ended.cancelled_at, ended.expired_at, ended.error_file_id) == (None, None, None, None)
    assert ended.output_file_id is not None
    text = (await client.files.content(ended.output_file_id)).text
    assert '"custom_id":"a"' in text
    assert (await client.files.retrieve(ended.output_file_id)).purpose == "batch_output"
    with pytest.raises(openai.ConflictError):
        await client.batches.cancel(batch.id)


async def test_mistakes_of_a_file_are_in_the_batch(client: AsyncOpenAI, desk: Desk) -> None:
    row = await desk.begin(b"{\n")
    await desk.run(row, echo)
    batch = await client.batches.retrieve(row.id)
    assert (batch.status, batch.failed_at is not None) == ("failed", True)
    assert batch.errors is not None
    assert batch.errors.data is not None
    assert [(error.code, error.line) for error in batch.errors.data] == [("invalid_json_line", 1)]


async def test_lists_are_paged_through_without_gap_or_repetition(client: AsyncOpenAI, desk: Desk) -> None:
    made = [(await upload(client, JSONL * 2)).id for _ in range(7)]
    assert [file.id async for file in client.files.list(limit=2)] == made[::-1]
    assert [file.id async for file in client.files.list(limit=3, order="asc")] == made
    assert [file.id async for file in client.files.list(purpose="batch_output")] == []
    page = await client.files.list(limit=2)
    await client.files.delete(page.data[-1].id)  # the place in the list stays known
    assert [file.id for file in (await client.files.list(after=page.data[-1].id, limit=2)).data] == made[::-1][2:4]
    batches = []
    for _ in range(3):
        batch = await client.batches.create(input_file_id=made[0], endpoint=CHAT, completion_window="24h")
        batches.append(batch.id)
    assert [batch.id async for batch in client.batches.list(limit=1)] == batches[::-1]


async def test_a_tenant_sees_its_own_and_another_nothing(client: AsyncOpenAI, desk: Desk) -> None:
    file = await upload(client)
    batch = await client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
    colleague, stranger = client.with_options(api_key="sk-two"), client.with_options(api_key="sk-other")
    assert (await colleague.files.retrieve(file.id)).id == file.id
    assert (await colleague.batches.retrieve(batch.id)).id == batch.id
    assert (await stranger.files.list()).data == []
    assert (await stranger.batches.list()).data == []
    for question in (
        stranger.files.retrieve(file.id),
        stranger.files.content(file.id),
        stranger.files.delete(file.id),
        stranger.batches.retrieve(batch.id),
        stranger.batches.cancel(batch.id),
    ):
        with pytest.raises(openai.NotFoundError):
            await question
    for listing in (stranger.files.list(after=file.id), stranger.batches.list(after=batch.id)):
        with pytest.raises(openai.BadRequestError):
            await listing
    with pytest.raises(openai.BadRequestError) as refused:
        await stranger.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
    assert refused.value.param == "input_file_id"
    assert (await client.batches.retrieve(batch.id)).status == "validating"


async def test_a_customer_sees_its_own_and_the_tenants_own_keys_see_all(client: AsyncOpenAI, desk: Desk) -> None:
    eu, us = client.with_options(api_key="sk-eu"), client.with_options(api_key="sk-us")
    common, file = await upload(client), await upload(eu)
    batch = await eu.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
    row = await desk.batch_records.get(batch.id)
    assert row is not None
    await desk.run(row, echo)
    output = (await eu.batches.retrieve(batch.id)).output_file_id or ""
    assert [found.id for found in (await eu.files.list(order="asc")).data] == [file.id, output]
    assert (await eu.files.content(output)).text
    assert (await us.files.list()).data == []
    assert (await us.batches.list()).data == []
    for question in (
        us.files.retrieve(file.id),
        us.files.content(output),
        us.files.delete(output),
        us.batches.retrieve(batch.id),
        us.batches.cancel(batch.id),
        eu.files.content(common.id),
    ):
        with pytest.raises(openai.NotFoundError):
            await question
    for refused in (
        us.files.list(after=file.id),
        us.batches.list(after=batch.id),
        us.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h"),
    ):
        with pytest.raises(openai.BadRequestError):
            await refused
    assert {found.id for found in (await client.files.list()).data} == {common.id, file.id, output}
    assert (await client.files.content(output)).text
    assert [found.id for found in (await client.batches.list()).data] == [batch.id]


async def test_a_batch_cannot_make_batches(client: AsyncOpenAI) -> None:
    file = await upload(client)
    itself = client.with_options(api_key="sk-batch")
    with pytest.raises(openai.PermissionDeniedError):
        await upload(itself)
    with pytest.raises(openai.PermissionDeniedError):
        await itself.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")


async def test_unfinished_batches_are_bounded_and_keep_their_file(client: AsyncOpenAI, desk: Desk) -> None:
    file = await upload(client)
    made = [
        await client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h") for _ in range(3)
    ]
    with pytest.raises(openai.RateLimitError) as refused:
        await client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
    assert refused.value.response.headers["retry-after"] == "60"
    with pytest.raises(openai.ConflictError):
        await client.files.delete(file.id)
    for batch in made:
        assert (await client.batches.cancel(batch.id)).status == "cancelled"
    await client.files.delete(file.id)


async def test_a_tenants_files_are_bounded_in_all(client: AsyncOpenAI) -> None:
    for _ in range(3):
        await upload(client, b"x" * 100_000)
    with pytest.raises(openai.BadRequestError):
        await upload(client)
    await upload(client.with_options(api_key="sk-other"))


async def test_a_tenants_files_are_counted(tmp_path: Path) -> None:
    async with open_desk(tmp_path, max_files=2) as desk:
        with listening(api_of(desk)) as url:
            async with AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-one", max_retries=0) as client:
                first = await upload(client)
                await upload(client.with_options(api_key="sk-eu"))
                with pytest.raises(openai.BadRequestError):
                    await upload(client)
                await client.files.delete(first.id)
                await upload(client)


PATHS = ["/v1/files", "/v1/batches", "/v1/files/file-1", "/v1/files/file-1/content", "/v1/batches/batch_1"]


@pytest.mark.parametrize("path", PATHS)
async def test_nothing_is_told_without_a_key(http: httpx.AsyncClient, path: str) -> None:
    error_of(await http.get(path, headers={"authorization": "Bearer wrong"}), 401)


async def test_a_key_may_come_as_x_api_key(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, headers={"x-api-key": "sk-one"}) as client:
        assert (await client.get("/v1/files")).status_code == 200


async def test_content_comes_whole_whatever_range_is_asked_for(client: AsyncOpenAI, http: httpx.AsyncClient) -> None:
    path = f"/v1/files/{(await upload(client)).id}/content"
    for wanted in ("bytes=0-3", "bytes=9999999-", "nonsense"):
        response = await http.get(path, headers={"range": wanted})
        assert (response.status_code, response.content) == (200, JSONL)
        assert response.headers["accept-ranges"] == "none"


async def test_a_slash_at_the_end_is_another_path_and_no_redirect(http: httpx.AsyncClient) -> None:
    error_of(await http.get("/v1/batches/"), 404)


async def test_a_length_of_thousands_of_digits_is_too_large(http: httpx.AsyncClient) -> None:
    error_of(await http.post("/v1/batches", content=b"{}", headers={"content-length": "9" * 5000}), 413)


async def test_very_many_parameters_are_refused_as_quickly_as_few(http: httpx.AsyncClient) -> None:
    said = error_of(await http.get("/v1/files?" + "&".join(f"p{n}=1" for n in range(101))), 400)["message"]
    assert "more than 100 parameters" in said


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/v1/files?limit=1&limit=2", "limit"),
        ("/v1/files?limit=0", "limit"),
        ("/v1/files?limit=10001", "limit"),
        ("/v1/files?limit=x", "limit"),
        ("/v1/files?order=up", "order"),
        ("/v1/files?after=file-none", "after"),
        ("/v1/files?after=a/b", "after"),
        ("/v1/files?unknown=1", "unknown"),
        ("/v1/files?purpose=%00", "purpose"),
        ("/v1/batches?limit=101", "limit"),
        ("/v1/batches?after=batch_none", "after"),
    ],
)
async def test_queries_are_checked(http: httpx.AsyncClient, path: str, param: str) -> None:
    assert error_of(await http.get(path), 400)["param"] == param


GOOD = {"input_file_id": "file-none", "endpoint": CHAT, "completion_window": "24h"}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({}, "input_file_id"),
        ({"input_file_id": "../../secret"}, "input_file_id"),
        ({"endpoint": "/v1/moderations"}, "endpoint"),
        ({"completion_window": "1h"}, "completion_window"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 3600}}, "output_expires_after"),
    ],
)
async def test_bodies_of_batches_are_checked(http: httpx.AsyncClient, change: dict[str, Any], param: str) -> None:
    assert error_of(await http.post("/v1/batches", json={**GOOD, **change}), 400)["param"] == param


@pytest.mark.parametrize("name", ["%2e%2e%2fsecret", "..%2F..%2Fsextant.db", "file-%00", "%ff%fe", "x" * 500])
async def test_names_never_become_paths(http: httpx.AsyncClient, name: str) -> None:
    for path in (f"/v1/files/{name}", f"/v1/files/{name}/content", f"/v1/batches/{name}"):
        error_of(await http.get(path), 404)


async def test_a_database_that_is_away_is_a_503(http: httpx.AsyncClient, desk: Desk) -> None:
    await desk.begin(lines_of(1))
    for suffix in ("", "-wal", "-shm"):
        (desk.home / f"sextant.db{suffix}").unlink(missing_ok=True)
    await desk.engine.dispose()
    error_of(await http.get("/v1/batches"), 503)
