"""The admin routes of the cache, and `sextant cache`, against the real routes on a real socket."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from typer.testing import CliRunner, Result

from app.accounts.book import Book
from app.accounts.directory import Directory
from app.cache.admin import CacheAdmin
from app.cache.entry import Entry
from app.cache.exact import ExactCache
from app.cli.main import app
from app.config import AccountsConfig, CacheConfig, GatewayConfig, Secrets
from app.errors import Unavailable
from app.gateway.api import create_api
from app.gateway.gateway import Gateway
from app.sql.database import database_url, open_database
from tests.unit.cache.dict_store import DictStore
from tests.unit.fake_model import whole_answer
from tests.unit.server import listening
from tests.unit.wire import error_of

SECRETS = Secrets(api_key="sk-sextant-default", admin_key="sk-admin-test", hash_key=b"hash key")
ADMIN = {"authorization": f"Bearer {SECRETS.admin_key}"}
ENTRY = Entry(whole_answer("chat", {"model": "m"}, "Hello."))


@dataclass
class FakeSemantic:
    """A semantic tier that keeps what it was asked to purge."""

    error: Exception | None = None
    purged: list[str | None] = field(default_factory=list)

    async def stats(self) -> dict[str, Any]:
        return {"entries": 7, "proposed": {"acme": 2}}

    async def purge(self, tenant: str | None) -> int:
        self.purged.append(tenant)
        if self.error:
            raise self.error
        return 2


class DownStore(DictStore):
    """A store that cannot be told."""

    async def insist(self, key: str, value: bytes) -> bool:
        return False


class Desk:
    """Stands in for the gateway, as far as these routes see it."""

    def __init__(self, home: Path, *, store: DictStore | None = None, is_on: bool = True) -> None:
        self.config = GatewayConfig()
        self.directory = Directory(SECRETS, open_database(database_url(None, home)), AccountsConfig())
        self.directory.use(Book())  # the default key, and no others
        self.exact = ExactCache(CacheConfig(), store or DictStore(), SECRETS.hash_key)
        self.semantic = FakeSemantic()
        self.cache_admin = CacheAdmin(self.exact if is_on else None, self.semantic if is_on else None, "replica-1")

    @asynccontextmanager
    async def filled(self) -> AsyncIterator[None]:
        """With an answer for each of two tenants, one of which was asked for twice."""
        for tenant in ("acme", "other"):
            self.exact.keep(tenant, "k", ENTRY)
        await self.exact.kept()
        for key in ("k", "another"):
            self.exact.count(await self.exact.look_up("acme", key))
        self.exact.count_by_meaning()
        yield

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(create_api(cast(Gateway, self)), raise_app_exceptions=False)
        async with (
            self.filled(),
            httpx.AsyncClient(transport=transport, base_url="http://test/admin/v1", headers=ADMIN) as client,
        ):
            yield client


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def test_stats_tell_of_the_replica_that_answers(desk: Desk) -> None:
    async with desk.client() as client:
        answer = (await client.get("/cache")).json()
    assert answer["exact"].pop("bytes") > 0
    assert answer == {
        "object": "cache.stats",
        "replica": "replica-1",
        "exact": {
            "memory_hits": 1,
            "store_hits": 0,
            "misses": 1,
            "dropped": 0,
            "stored": 2,
            "store_failures": 0,
            "entries": 2,
        },
        "semantic": {"entries": 7, "proposed": {"acme": 2}, "served": 1},
    }


async def test_a_purge_takes_a_tenants_answers_from_both_tiers(desk: Desk) -> None:
    async with desk.client() as client:
        response = await client.post("/cache/purge", json={"tenant": "acme"})
    assert (response.status_code, response.json()) == (200, {"purged": {"exact": 1, "semantic": 2}})
    assert desk.semantic.purged == ["acme"]
    assert await desk.exact.look_up("acme", "k") is None
    assert await desk.exact.look_up("other", "k") is not None


async def test_a_purge_of_all_takes_all(desk: Desk) -> None:
    async with desk.client() as client:
        response = await client.post("/cache/purge", json={"all": True})
    assert response.json() == {"purged": {"exact": 2, "semantic": 2}}
    assert desk.semantic.purged == [None]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"all": False},
        {"all": True, "tenant": "acme"},
        {"tenant": ""},
        {"tenant": "*"},
        {"tenant": "a b"},
        {"tenant": 5},
        {"tenant": ["acme"]},
        {"all": "yes"},
        {"tenant": "acme", "more": 1},
        [],
        None,
    ],
)
async def test_a_purge_that_does_not_say_whose_purges_nothing(desk: Desk, body: Any) -> None:
    async with desk.client() as client:
        error_of(await client.post("/cache/purge", json=body), 400)
        error_of(await client.post("/cache/purge"), 400)
    assert desk.semantic.purged == []
    assert await desk.exact.look_up("acme", "k") is not None


async def test_unknown_parameters_are_errors(desk: Desk) -> None:
    async with desk.client() as client:
        error_of(await client.get("/cache", params={"tenant": "acme"}), 400)


async def test_only_the_admin_may(desk: Desk) -> None:
    async with desk.client() as client:
        for headers, status in (({"authorization": f"Bearer {SECRETS.api_key}"}, 403), ({"authorization": ""}, 401)):
            error_of(await client.get("/cache", headers=headers), status)
            error_of(await client.post("/cache/purge", headers=headers, json={"all": True}), status)
    assert desk.semantic.purged == []


async def test_a_tier_that_cannot_be_told_is_an_error_and_the_other_forgets_all_the_same(tmp_path: Path) -> None:
    down = Desk(tmp_path, store=DownStore())
    async with down.client() as client:
        assert "store" in error_of(await client.post("/cache/purge", json={"all": True}), 503)["message"]
    assert down.semantic.purged == [None]
    down = Desk(tmp_path)
    down.semantic.error = Unavailable("The cache's index does not answer.", retry_after_s=1)
    async with down.client() as client:
        response = await client.post("/cache/purge", json={"all": True})
        assert "index" in error_of(response, 503)["message"]
        assert response.headers["retry-after"] == "1"
    assert await down.exact.look_up("acme", "k") is None


async def test_a_cache_that_is_off_says_so_and_has_nothing_to_purge(tmp_path: Path) -> None:
    async with Desk(tmp_path, is_on=False).client() as client:
        answer = (await client.get("/cache")).json()
        assert (answer["exact"], answer["semantic"]) == (None, None)
        response = await client.post("/cache/purge", json={"all": True})
        assert response.json() == {"purged": {"exact": 0, "semantic": 0}}


Sextant = Callable[..., Result]


@pytest.fixture
def sextant(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sextant]:
    """Runs the command; it must end with `code`."""
    with listening(create_api(cast(Gateway, desk), desk.filled())) as url:
        monkeypatch.setenv("SEXTANT_URL", url)
        monkeypatch.setenv("SEXTANT_ADMIN_KEY", SECRETS.admin_key)
        monkeypatch.setenv("COLUMNS", "200")

        def run(*words: str, code: int = 0, answer: str | None = None) -> Result:
            result = CliRunner().invoke(app, ["cache", *words], input=answer)
            assert result.exit_code == code, result.output + repr(result.exception)
            return result

        yield run


def test_the_command_shows_how_the_cache_does(sextant: Sextant) -> None:
    shown = sextant("stats").stdout
    assert "50.0% of 2 look-ups were hits" in shown
    assert "acme=2" in shown
    assert json.loads(sextant("stats", "--json").stdout)["exact"]["memory_hits"] == 1


def test_the_command_purges(sextant: Sextant, desk: Desk) -> None:
    assert "1 exact" in sextant("purge", "--tenant", "acme").stdout
    answer = json.loads(sextant("purge", "--all", "--yes", "--json").stdout)
    assert answer == {"purged": {"exact": 1, "semantic": 2}}
    assert desk.semantic.purged == ["acme", None]


def test_the_command_asks_before_it_purges_everything(sextant: Sextant, desk: Desk) -> None:
    sextant("purge", "--all", code=1, answer="n\n")
    sextant("purge", "--all", code=1)
    assert desk.semantic.purged == []
    assert "2 exact" in sextant("purge", "--all", answer="y\n").stdout
    assert desk.semantic.purged == [None]


@pytest.mark.parametrize("words", [[], ["--tenant", "a", "--all"], ["--tenant"], ["--yes"]])
def test_a_command_line_that_does_not_say_whose_purges_nothing(sextant: Sextant, desk: Desk, words: list[str]) -> None:
    sextant("purge", *words, code=2)
    assert desk.semantic.purged == []
