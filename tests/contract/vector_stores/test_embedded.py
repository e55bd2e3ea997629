"""What only the store on disk promises."""

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from qdrant_edge import Distance, EdgeConfig, EdgeShard, EdgeVectorParams, Point, UpdateOperation

from app.retrieval.conditions import Condition
from app.retrieval.embedded_store import EmbeddedStore
from app.retrieval.points import NewPoint
from app.retrieval.term_counts import TermCounts
from app.retrieval.types import Candidate
from tests.contract.vector_stores.making import DIMENSIONS, chunk, chunks, names, near, put, saying, stage, vector


class Dead(Exception):
    """The process ends here."""


class Dying(EmbeddedStore):
    """A store whose process dies at its n-th write."""

    left = 10**9

    def _spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Dead

    def _write(self, points: Sequence[NewPoint]) -> None:
        for point in points:  # so that a write can be cut off within a document
            self._spend()
            super()._write([point])

    async def _delete(self, wanted: Condition) -> None:
        self._spend()
        await super()._delete(wanted)

    async def _set_until(self, wanted: Condition, until: int) -> None:
        self._spend()
        await super()._set_until(wanted, until)

    async def _set_version(self, tenant: str, version: int) -> None:
        self._spend()
        await super()._set_version(tenant, version)

    def die(self) -> None:
        """Release the files, as the end of a process does, without the last words of `close`."""
        self._shard.close()
        self._guard_file.close()


async def test_it_keeps_what_it_has_and_is_open_once(directory: Path) -> None:
    first = EmbeddedStore(directory, DIMENSIONS)
    await put(first, *chunks("a.md", 3))
    await stage(first, chunks("b.md", 2))
    with pytest.raises(RuntimeError, match="another process has the knowledge base"):
        EmbeddedStore(directory, DIMENSIONS)
    await first.close()
    again = EmbeddedStore(directory, DIMENSIONS)
    assert await names(again) == ["a.md"]
    assert await again.staged("acme") == {"b.md": "v1"}
    await again.commit("acme")
    assert await names(again) == ["a.md", "b.md"]
    await again.close()


async def test_wherever_it_dies_readers_see_one_version_and_the_next_run_ends_the_same(directory: Path) -> None:
    async def run(store: EmbeddedStore) -> None:
        """What an ingestion does: what is staged already is left alone."""
        wanted = {"a.md": 4, "b.md": 1, "new.md": 3}
        staged = await store.staged("acme")
        for name, count in wanted.items():
            if staged.get(name) != "v2":
                await stage(store, chunks(name, count, content_hash="v2"))
        if "gone.md" not in staged:
            await store.stage_removal("acme", ["gone.md"])
        await store.commit("acme")

    before, after = {"a.md": "v1", "b.md": "v1", "gone.md": "v1"}, {"a.md": "v2", "b.md": "v2", "new.md": "v2"}
    seen = []
    for life in range(40):
        home = directory / str(life)
        first = EmbeddedStore(home, DIMENSIONS)
        await put(first, *chunks("a.md", 3), *chunks("b.md", 2), *chunks("gone.md", 2))
        await first.close()
        dying = Dying(home, DIMENSIONS)
        dying.left = life
        try:
            await run(dying)
            ended = True
        except Dead:
            ended = False
        dying.die()
        again = EmbeddedStore(home, DIMENSIONS)
        described = await again.describe("acme")
        assert described.hashes in (before, after)
        assert described.chunks == (7 if described.hashes == before else 8)
        assert len(await near(again)) == described.chunks
        seen.append(described.hashes == after)
        if described.hashes == before:
            await run(again)
        assert (await again.describe("acme")).hashes == after
        assert await again.staged("acme") == {}
        assert len(await near(again)) == 8
        assert again._shard.info().points_count == 8
        await again.close()
        if ended:
            break
    assert ended
    assert seen == sorted(seen)
    assert seen.count(False) > 10


async def test_a_commit_leaves_out_a_document_whose_staging_was_cut_off(directory: Path) -> None:
    dying = Dying(directory, DIMENSIONS)
    await put(dying, *chunks("a.md", 3), *chunks("b.md", 1))
    dying.left = 3
    with pytest.raises(Dead):
        await stage(dying, chunks("a.md", 5, content_hash="v2"))
    dying.die()
    again = EmbeddedStore(directory, DIMENSIONS)
    assert await again.staged("acme") == {}
    await stage(again, chunks("b.md", 2, content_hash="v2"))
    await again.commit("acme")
    described = await again.describe("acme")
    assert (described.hashes, described.chunks) == ({"a.md": "v1", "b.md": "v2"}, 5)
    assert again._shard.info().points_count == 5
    await again.close()


async def test_what_is_staged_survives_a_kill(directory: Path) -> None:
    code = f"""
import asyncio, os, signal
from pathlib import Path
from app.retrieval.embedded_store import EmbeddedStore
from tests.contract.vector_stores.making import chunks, put, stage

async def main():
    store = EmbeddedStore(Path({str(directory)!r}), {DIMENSIONS})
    await put(store, *chunks("a.md", 3))
    await stage(store, chunks("b.md", 250))
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""
    process = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], check=False)
    assert process.returncode == -9
    store = EmbeddedStore(directory, DIMENSIONS)
    assert await names(store) == ["a.md"]
    assert await store.staged("acme") == {"b.md": "v1"}
    await store.commit("acme")
    assert (await store.describe("acme")).chunks == 253
    await store.close()


async def test_a_store_of_an_older_release_begins_empty(directory: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = EdgeConfig(vectors=EdgeVectorParams(size=DIMENSIONS, distance=Distance.Cosine))
    old = EdgeShard.create(str(directory / "shard"), config)
    payload = {"tenant": "acme", "document": "a.md", "ordinal": 0, "text": "old", "content_hash": "v1"}
    old.update(UpdateOperation.upsert_points([Point(id=1, vector=vector(0).tolist(), payload=payload)]))
    old.close()
    with caplog.at_level(logging.WARNING):
        store = EmbeddedStore(directory, DIMENSIONS)
    assert "begins empty; ingest anew" in caplog.text
    assert await names(store) == []
    await put(store, *chunks("a.md", 3))
    await store.close()
    caplog.clear()
    again = EmbeddedStore(directory, DIMENSIONS)
    assert caplog.text == ""
    assert await names(again) == ["a.md"]
    await again.close()


async def test_vectors_of_another_size_begin_a_new_store(directory: Path) -> None:
    store = EmbeddedStore(directory, DIMENSIONS)
    await put(store, *chunks("a.md", 3))
    await store.close()
    wider = EmbeddedStore(directory, DIMENSIONS * 2)
    assert (await wider.describe("acme")).documents == 0
    await wider.close()


@pytest.mark.parametrize("content", ["", "{}", "[1, 2]", json.dumps({"layout": {}, "tenants": [["acme"]]})])
async def test_a_file_of_versions_that_cannot_be_read_costs_no_documents(directory: Path, content: str) -> None:
    store = EmbeddedStore(directory, DIMENSIONS)
    await put(store, *chunks("a.md", 3))
    await store.close()
    kept = (directory / "versions.json").read_text()
    (directory / "versions.json").write_text(content)
    with pytest.raises(RuntimeError, match="restore it"):
        EmbeddedStore(directory, DIMENSIONS)
    (directory / "versions.json").write_text(kept)
    again = EmbeddedStore(directory, DIMENSIONS)
    assert await names(again) == ["a.md"]
    await again.close()


async def test_thousands_of_chunks_are_counted_listed_and_given_out(directory: Path) -> None:
    store = EmbeddedStore(directory, DIMENSIONS)
    made = [each for at in range(620) for each in chunks(f"{at:03}.md", 10)]
    await put(store, *made)
    described = await store.describe("acme")
    assert (described.documents, described.chunks) == (620, 6200)
    assert [chunk async for chunk, _ in store.export(None)] == made
    await store.close()


async def test_searches_go_on_while_much_is_written(directory: Path) -> None:
    store = EmbeddedStore(directory, DIMENSIONS)
    await put(store, *chunks("a.md", 3))
    writing = asyncio.create_task(stage(store, chunks("long.md", 3000)))
    searches = 0
    while not writing.done():
        assert await names(store) == ["a.md"]
        searches += 1
        await asyncio.sleep(0)
    await writing
    assert searches > 20
    await store.close()


async def test_terms_that_were_counted_give_the_engines_own_scores(directory: Path) -> None:
    store = Counting(directory, DIMENSIONS)
    await put(store, *(chunk("other.md", at, "heron", tenant="other") for at in range(9)))
    await put(store, chunk("a.md", 0, "heron heron fish"), chunk("b.md", 0, "heron"), chunk("c.md", 0, "bear"))
    engines = _scores(await saying(store, "heron fish unheard"))
    await store.idle()
    assert store.counted("acme") is not None
    assert _scores(await saying(store, "heron fish unheard")) == pytest.approx(engines, rel=1e-6)
    assert await saying(store, "unheard") == []
    await stage(store, [chunk("d.md", 0, "fish")])  # which nobody sees yet
    assert _scores(await saying(store, "heron fish")) == pytest.approx(engines, rel=1e-6)
    await store.commit("acme")
    after = _scores(await saying(store, "heron fish"))
    assert after["a.md"] < engines["a.md"]  # fish has become usual
    await store.idle()
    assert _scores(await saying(store, "heron fish")) == pytest.approx(after, rel=1e-6)
    await store.close()


async def test_what_is_deleted_is_counted_no_more(directory: Path) -> None:
    store = Counting(directory, DIMENSIONS)
    await put(store, chunk("a.md", 0, "heron fish"), chunk("b.md", 0, "heron"), chunk("c.md", 0, "fish"))
    await saying(store, "heron")
    await store.idle()
    before = _scores(await saying(store, "fish"))
    await store.delete("acme", ["b.md", "c.md"])
    assert store.counted("acme") is None
    after = _scores(await saying(store, "fish"))
    assert list(after) == ["a.md"]
    assert after["a.md"] != pytest.approx(before["a.md"])
    await store.idle()
    assert _scores(await saying(store, "fish")) == pytest.approx(after, rel=1e-6)
    await store.close()


async def test_a_passage_that_was_read_is_not_taken_for_its_successor(directory: Path) -> None:
    store = EmbeddedStore(directory, DIMENSIONS)
    for text in ("first", "second"):  # with one and the same content hash, as after a change of the chunking
        await put(store, chunk("a.md", 0, text))
        for _ in range(2):
            assert [each.chunk.text for each in await near(store)] == [text]
    [found] = await near(store)
    with pytest.raises(ValueError, match="read-only"):
        found.vector[0] = 1.0
    await store.delete("acme", ["a.md"])
    assert await near(store) == []
    await store.close()


class Counting(EmbeddedStore):
    """A store that counts the terms of small tenants, too, and at once."""

    def __init__(self, directory: Path, dimensions: int) -> None:
        super().__init__(directory, dimensions)
        self._term_counts = TermCounts(self._shard, least=1, quiet_s=0.0)

    def counted(self, tenant: str) -> object:
        return self._term_counts._counted.get(tenant)


def _scores(found: Sequence[Candidate]) -> dict[str, float]:
    return {each.chunk.document: each.bm25 or 0.0 for each in found}
