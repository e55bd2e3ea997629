"""Who sees what: tenants and groups."""

from itertools import product

import pytest

from app.retrieval.types import Reader, VectorStore
from tests.contract.vector_stores.making import chunk, chunks, names, near, put, saying, stage

# Names that would be taken for others by a store that joins, splits, folds or matches patterns.
ODD = (
    "*",
    "",
    "hr",
    "HR",
    "hr ",
    "h*",
    "?r",
    "hr\0",
    '["acme"]',
    '["acme","hr"]',
    '"',
    "\\",
    "é",
    "e\u0301",
    "ʜʀ",
    "1",
)


async def test_a_tenant_never_sees_what_is_anothers(store: VectorStore) -> None:
    await put(store, *chunks("a.md", 3), *chunks("a.md", 3, tenant="rival"))
    for tenant in ("acme", "rival"):
        assert {c.chunk.tenant for c in await near(store, Reader(tenant))} == {tenant}
        assert {c.chunk.tenant for c in await saying(store, "a.md", Reader(tenant))} == {tenant}
    assert [d.chunks for d in await store.documents("acme")] == [3]
    await store.delete("acme", ["a.md"])
    assert await near(store) == []
    assert len(await near(store, Reader("rival"))) == 3
    assert await near(store, Reader("nobody", ("acme", "rival"))) == []
    assert await store.around(Reader("nobody"), "a.md", 0, 9) == []


async def test_groups_see_what_names_them_and_what_names_none(store: VectorStore) -> None:
    await put(
        store,
        chunk("all.md"),
        chunk("hr.md", groups=("hr",)),
        chunk("law.md", groups=("law",)),
        chunk("both.md", groups=("hr", "law")),
    )
    expected = {
        (): ["all.md"],
        ("hr",): ["all.md", "both.md", "hr.md"],
        ("law", "other"): ["all.md", "both.md", "law.md"],
        ("other",): ["all.md"],
        ("hr", "law", "hr"): ["all.md", "both.md", "hr.md", "law.md"],
    }
    for groups, seen in expected.items():
        reader = Reader("acme", groups)
        assert await names(store, reader) == seen
        assert await names(store, reader, words="md") == seen
        found = [d for d in ("all.md", "both.md", "hr.md", "law.md") if await store.around(reader, d, 0, 0)]
        assert found == seen


async def test_no_group_is_taken_for_another_or_for_everybody(store: VectorStore) -> None:
    await put(store, *(chunk(f"{at}.md", groups=(group,)) for at, group in enumerate(ODD)))
    assert await names(store) == await names(store, Reader("acme", ("%", "\ud800", "acme"))) == []
    for at, group in enumerate(ODD):
        reader = Reader("acme", (group,))
        assert await names(store, reader) == [f"{at}.md"]
        assert await names(store, reader, words="md") == [f"{at}.md"]
    assert len(await names(store, Reader("acme", ODD))) == len(ODD)
    assert await names(store, Reader("rival", ODD)) == []


async def test_no_tenant_is_taken_for_another(store: VectorStore) -> None:
    for tenant in ODD:
        await put(store, chunk("a.md", tenant=tenant), chunk("b.md", tenant=tenant, groups=("hr",)))
    for tenant, groups in product(ODD, ((), ("hr",), ("a", '["acme"]'))):
        found = await near(store, Reader(tenant, groups))
        assert {c.chunk.tenant for c in found} == {tenant}
        assert sorted(c.chunk.document for c in found) == (["a.md", "b.md"] if "hr" in groups else ["a.md"])
        assert len(await store.documents(tenant)) == 2


async def test_names_run_not_into_each_other(store: VectorStore) -> None:
    await put(store, chunk("b\0c", tenant="a"), chunk("c", tenant="a\0b"))
    await put(store, chunk("x", tenant="t"), chunk("x\0y", tenant="t", content_hash="z"))
    assert len(await near(store, Reader("a"))) == len(await near(store, Reader("a\0b"))) == 1
    assert len(await near(store, Reader("t"))) == 2


async def test_a_change_of_groups_is_seen_with_its_commit(store: VectorStore) -> None:
    await put(store, chunk("a.md", groups=("hr",)))
    await stage(store, [chunk("a.md", groups=("law",), content_hash="v2")])
    hr, law = Reader("acme", ("hr",)), Reader("acme", ("law",))
    assert (await names(store, hr), await names(store, law)) == (["a.md"], [])
    await store.commit("acme")
    assert (await names(store, hr), await names(store, law)) == ([], ["a.md"])
    assert [d.groups for d in await store.documents("acme")] == [("law",)]


async def test_scores_tell_nothing_of_other_tenants_texts_and_of_staged_ones(store: VectorStore) -> None:
    await put(store, chunk("a.md", text="the word heron once"), chunk("b.md", text="nothing of the kind"))
    [before] = await saying(store, "heron")
    await put(store, *(chunk(f"{at}.md", text="heron", tenant="rival") for at in range(20)))
    await stage(store, [chunk("c.md", text="heron")])
    [after] = await saying(store, "heron")
    assert after.bm25 == pytest.approx(before.bm25)
    # But of its tenant's they do, seen or not: how rare a word is, is asked of them all.
    await put(store, *(chunk(f"{at}.md", text="heron", groups=("hr",)) for at in range(20)))
    late = {c.chunk.document: c for c in await saying(store, "heron")}
    assert late["a.md"].bm25 is not None
    assert before.bm25 is not None
    assert late["a.md"].bm25 < before.bm25 / 2
