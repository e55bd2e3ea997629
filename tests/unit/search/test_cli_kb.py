"""`sextant kb` against the real routes on a real socket."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli.connection import CommandFailed
from app.cli.kb_lines import query_of
from app.cli.main import app
from tests.unit.bench import ADMIN_KEY, Bench, stack_config
from tests.unit.fakes import passage
from tests.unit.wire import client_of, error_of, served

Sextant = Callable[..., Result]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bench, str]]:
    """One stack for all tests, since starting it takes longer than any of them."""
    bench = Bench(stack_config(tmp_path_factory.mktemp("home")))
    with served(bench) as url:
        yield bench, url


@pytest.fixture
def stocked(running: tuple[Bench, str]) -> Bench:
    bench, _ = running
    bench.search.requests.clear()
    bench.search.deleted.clear()
    bench.search.passages["acme"] = [
        passage("First words.", 0.8, "guide.md"),
        passage("Second words.", 0.1, "guide.md", 1),
        passage("Third words.", 0.05, "notes/b.md"),
    ]
    return bench


@pytest.fixture
def sextant(stocked: Bench, running: tuple[Bench, str], monkeypatch: pytest.MonkeyPatch) -> Sextant:
    monkeypatch.setenv("SEXTANT_URL", running[1])
    monkeypatch.setenv("SEXTANT_ADMIN_KEY", ADMIN_KEY)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *words, **options: CliRunner().invoke(app, ["kb", *words], **options)


def parsed(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_documents_are_listed_with_their_chunks(sextant: Sextant) -> None:
    listed = parsed(sextant("list", "--tenant", "acme", "--json"))
    assert [(each["document"], each["chunks"]) for each in listed] == [("guide.md", 2), ("notes/b.md", 1)]
    shown = sextant("list", "--tenant", "acme").output
    assert "notes/b.md" in shown
    assert "everybody" in shown
    assert "No documents. Ingest some: make ingest DOCS=FOLDER" in sextant("list").output


def test_stats_tell_what_is_stored(sextant: Sextant) -> None:
    stats = parsed(sextant("stats", "--tenant", "acme", "--json"))
    assert (stats["tenant"], stats["documents"], stats["chunks"], stats["version"]) == ("acme", 2, 3, "kb-1")
    assert "kb-1" in sextant("stats", "--tenant", "acme").output


def test_delete_asks_first(sextant: Sextant, stocked: Bench) -> None:
    asked = sextant("delete", "guide.md", "--tenant", "acme", input="n\n")
    assert asked.exit_code == 1
    assert "Delete guide.md of acme?" in asked.output
    assert stocked.search.deleted == []
    assert sextant("delete", "guide.md", "--tenant", "acme", input="y\n").exit_code == 0
    assert stocked.search.deleted == ["guide.md"]


def test_delete_all_needs_no_names_and_yes_no_question(sextant: Sextant, stocked: Bench) -> None:
    assert parsed(sextant("delete", "--all", "--tenant", "acme", "--yes", "--json")) == {
        "deleted": ["guide.md", "notes/b.md"]
    }
    assert parsed(sextant("delete", "--all", "--yes", "--json")) == {"deleted": []}
    assert stocked.search.deleted == ["guide.md", "notes/b.md"]
    for words in (["delete"], ["delete", "x", "--all"]):
        assert sextant(*words).exit_code == 2


def test_an_unknown_document_deletes_nothing(sextant: Sextant, stocked: Bench) -> None:
    done = sextant("delete", "guide.md", "gudie.md", "--tenant", "acme", "--yes")
    assert isinstance(done.exception, CommandFailed)
    assert "'gudie.md' is no document" in str(done.exception)
    assert stocked.search.deleted == []


def test_a_search_is_shown_with_places_and_scores(sextant: Sextant) -> None:
    shown = sextant("search", "where?", "--tenant", "acme").output
    assert "1. 0.800  guide.md [0:12]" in shown
    assert "First words." in shown
    assert "not in the documents" not in shown
    assert "not in the documents" in sextant("search", "x", "--tenant", "acme", "--min-score", "0.9").output
    assert "Nothing was found" in sextant("search", "where?").output


def test_nothing_in_a_passage_steers_the_terminal(sextant: Sextant, stocked: Bench) -> None:
    stocked.search.passages["acme"] = [passage("a \x1b[2J [bold]b", 0.8, "x\x9b[red].md")]
    shown = sextant("search", "x", "--tenant", "acme").output
    assert "\x1b[2J" not in shown
    assert "\x9b" not in shown
    assert "[bold]" in shown


def test_json_lines_are_answered_in_order(sextant: Sextant) -> None:
    queries = [json.dumps({"query": "one", "id": 5}), "", "no", json.dumps({"query": "two"})]
    done = sextant("search", "--json", "--tenant", "acme", "--limit", "2", input="\n".join(queries))
    first, wrong, second = lines(done)

    assert done.exit_code == 1
    assert (first["query"], first["relevant"], second["query"]) == ("one", True, "two")
    assert first["results"] == [
        {"document": "guide.md", "chunk": 0, "start": 0, "end": 12, "score": 0.8},
        {"document": "guide.md", "chunk": 1, "start": 0, "end": 13, "score": 0.1},
    ]
    assert wrong == {"error": "the line is no JSON"}


def test_options_reach_the_search_and_neighbours_do_not_count(sextant: Sextant, stocked: Bench) -> None:
    where = '{"type": "eq", "key": "year", "value": 2026}'
    words = "search --json --tenant acme --group a --group b --mode sparse --min-score 0.9 --no-rerank".split()
    (one,) = lines(sextant(*words, "--filter", where, input='{"query": "x"}'))
    (request,) = stocked.search.requests

    assert one["relevant"] is False
    assert (request.reader.tenant, request.reader.groups) == ("acme", ("a", "b"))
    assert (request.mode, request.vector, request.rerank, request.neighbours) == ("sparse", None, False, 0)
    assert request.where is not None


def test_more_queries_than_a_request_takes_are_several(sextant: Sextant, stocked: Bench) -> None:
    given = "\n".join(json.dumps({"query": f"q{at}"}) for at in range(130))
    found = lines(sextant("search", "--json", "--tenant", "acme", input=given))
    assert [each["query"] for each in found] == [f"q{at}" for at in range(130)]
    assert len(stocked.search.requests) == 130


@pytest.mark.parametrize(
    "words", [["search"], ["search", "x", "--json"], ["search", "x", "--mode", "odd"], ["search", "x", "--filter", "{"]]
)
def test_a_wrong_command_line_exits_with_2(sextant: Sextant, words: list[str]) -> None:
    assert sextant(*words).exit_code == 2


@pytest.mark.parametrize(
    "raw",
    [b"[]", b'{"query": 5}', b'{"query": " "}', b'{"query": "\\ud800"}', b"\xff", b'{"query": "' + b"x" * 9000 + b'"}'],
)
def test_a_line_that_is_no_query_says_why(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        query_of(raw)


async def test_the_routes_want_the_admin_key_and_well_formed_bodies(stocked: Bench) -> None:
    async with client_of(stocked) as client:
        for method, path in (("GET", "kb"), ("GET", "kb/documents"), ("POST", "kb/search"), ("POST", "kb/delete")):
            error_of(await client.request(method, f"/admin/v1/{path}", json={}), 403)
        admin = {"authorization": f"Bearer {ADMIN_KEY}"}
        assert error_of(await client.get("/admin/v1/kb", headers=admin), 400)["param"] == "tenant"
        for body, param in (
            ({"tenant": "acme", "queries": []}, "queries"),
            ({"tenant": "acme", "queries": ["x"] * 65}, "queries"),
            ({"tenant": "a/b", "queries": ["x"]}, "tenant"),
            ({"queries": ["x"]}, "tenant"),
        ):
            error = error_of(await client.post("/admin/v1/kb/search", json=body, headers=admin), 400)
            assert error["param"] == param
        page = await client.get("/admin/v1/kb/documents?tenant=acme&limit=1", headers=admin)
        assert (len(page.json()["data"]), page.json()["has_more"]) == (1, True)
        page = await client.get("/admin/v1/kb/documents?tenant=acme&after=guide.md", headers=admin)
        assert [each["document"] for each in page.json()["data"]] == ["notes/b.md"]
