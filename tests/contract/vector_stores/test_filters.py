"""Conditions on metadata."""

from collections.abc import Callable
from typing import Any, Literal

import pytest

from app.errors import InvalidRequest
from app.retrieval.conditions import MAX_COMPARISONS, MAX_DEPTH
from app.retrieval.types import Comparison, Compound, MetadataValue, Reader, VectorStore, Where
from tests.contract.vector_stores.making import chunk, names, put

ALL: dict[str, dict[str, MetadataValue]] = {
    "a": {"year": 2020, "kind": "report", "draft": True, "day": "2024-03-01"},
    "b": {"year": 2021.0, "kind": "memo", "draft": False, "day": "2024-03-01T12:30:00+02:00"},
    "c": {"year": "2021", "kind": "Report", "draft": 1},
    "d": {"year": -5, "kind": "*", "draft": "true", "day": "not a day"},
    "e": {"big": 2**60 + 1, "small": 1e-9, "a.b": 1, "a": "x", 'quo"te': "y", "": "empty", "sp ace": 3, "ключ": 7},
    "f": {},
}
Operator = Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]


def is_(key: str, operator: Operator, value: MetadataValue | tuple[MetadataValue, ...]) -> Comparison:
    return Comparison(key, operator, value)


def both(*filters: Where) -> Compound:
    return Compound("and", filters)


def either(*filters: Where) -> Compound:
    return Compound("or", filters)


CASES: list[tuple[Where, str]] = [
    (is_("kind", "eq", "report"), "a"),
    (is_("kind", "eq", "*"), "d"),
    (is_("kind", "ne", "report"), "bcdef"),
    (is_("kind", "in", ("report", "memo", "nothing")), "ab"),
    (is_("kind", "nin", ("report", "memo")), "cdef"),
    (is_("kind", "in", ()), ""),
    (is_("kind", "nin", ()), "abcdef"),
    (is_("year", "eq", 2021), "b"),
    (is_("year", "eq", 2020.0), "a"),
    (is_("year", "eq", "2021"), "c"),
    (is_("year", "in", (2020, "2021", 7)), "ac"),
    (is_("year", "gt", 2020), "b"),
    (is_("year", "gte", 2020), "ab"),
    (is_("year", "lt", 2020), "d"),
    (is_("year", "lte", 2020.5), "ad"),
    (is_("year", "ne", 2021), "acdef"),
    (is_("draft", "eq", True), "a"),
    (is_("draft", "eq", 1), "c"),
    (is_("draft", "eq", "true"), "d"),
    (is_("draft", "gt", 0), "c"),
    (is_("draft", "nin", (True, False)), "cdef"),
    (is_("day", "gte", "2024-03-01"), "ab"),
    (is_("day", "gt", "2024-03-01"), "b"),
    (is_("day", "lt", "2024-03-01T11:00:00Z"), "ab"),
    (is_("day", "lt", "2024-03-01T10:00:00Z"), "a"),
    (is_("day", "gt", 0), ""),
    (is_("big", "eq", 2**60 + 1), "e"),
    (is_("big", "eq", 2**60), ""),
    (is_("small", "gt", 0), "e"),
    (is_("a.b", "eq", 1), "e"),
    (is_("a.b", "gt", 0), "e"),
    (is_('quo"te', "eq", "y"), "e"),
    (is_("", "eq", "empty"), "e"),
    (is_("sp ace", "gte", 3), "e"),
    (is_("ключ", "lt", 8), "e"),
    (is_("sp", "gte", 0), ""),
    (is_("never", "gt", 0), ""),
    (is_("never", "eq", "x"), ""),
    (is_("never", "ne", "x"), "abcdef"),
    (both(), "abcdef"),
    (either(), ""),
    (both(is_("year", "gte", 2020), is_("kind", "eq", "memo")), "b"),
    (either(is_("year", "lt", 0), is_("kind", "eq", "memo"), is_("never", "gt", 1)), "bd"),
    (both(is_("year", "ne", 2020), either(is_("kind", "eq", "report"), is_("kind", "eq", "memo"))), "b"),
    (either(both(is_("year", "gte", 2021), is_("draft", "eq", False)), both(is_("a", "eq", "x"), both())), "be"),
    (both(either(both(either(is_("kind", "nin", ("report",)))))), "bcdef"),
    (is_("tenant", "eq", "acme"), ""),
    (is_("tenant", "ne", "acme"), "abcdef"),
]


async def test_conditions_mean_the_same_everywhere(store: VectorStore) -> None:
    await put(store, *(chunk(name, metadata=metadata) for name, metadata in ALL.items()))
    await put(store, *(chunk(name, tenant="rival", metadata=metadata) for name, metadata in ALL.items()))
    await put(store, chunk("hidden", groups=("hr",), metadata=ALL["a"]))
    for where, expected in CASES:
        assert await names(store, where=where) == list(expected), where
        # Every chunk has its heading's B among its terms.
        assert await names(store, where=where, words="B") == list(expected), where
    assert await names(store, Reader("acme", ("hr",)), is_("kind", "eq", "report")) == ["a", "hidden"]


async def test_a_condition_gives_no_rights(store: VectorStore) -> None:
    await put(
        store,
        chunk("hidden", groups=("hr",), metadata={"kind": "x", "audience": '["acme"]'}),
        chunk("x", tenant="rival", metadata={"kind": "x"}),
    )
    for where in (
        either(is_("kind", "eq", "x"), is_("kind", "ne", "x")),
        either(both(), is_("audience", "ne", "")),
        is_("tenant", "in", ("acme", "rival")),
        is_("groups", "nin", ("hr",)),
    ):
        assert await names(store, where=where) == []


async def test_a_number_that_comes_later_is_compared_too(store: VectorStore) -> None:
    await put(store, chunk("a", metadata={"year": 2020}))
    assert await names(store, where=is_("pages", "gt", 3)) == []
    await put(store, chunk("b", metadata={"pages": 7}))
    assert await names(store, where=is_("pages", "gt", 3)) == ["b"]
    await put(store, *(chunk(f"n{at}", metadata={f"field{at}": at}) for at in range(70)))  # more than get an index
    assert await names(store, where=is_("field69", "gte", 69)) == ["n69"]
    assert await names(store, where=is_("field1", "lte", 1)) == ["n1"]


def _deep(depth: int) -> Where:
    return is_("year", "eq", 1) if depth == 1 else both(_deep(depth - 1))


@pytest.mark.parametrize(
    "where",
    [
        is_("kind", "gt", "report"),
        is_("kind", "lt", True),
        is_("kind", "gte", float("nan")),
        is_("kind", "eq", ("report",)),
        is_("kind", "in", "report"),
        is_("year", "lte", float("inf")),
        _deep(MAX_DEPTH + 1),
        both(*[is_("year", "eq", at) for at in range(MAX_COMPARISONS + 1)]),
    ],
    ids=str,
)
async def test_a_condition_that_cannot_be_is_refused(store: VectorStore, where: Where) -> None:
    await put(store, chunk("a", metadata={"year": 2020}))
    with pytest.raises(InvalidRequest) as caught:
        await names(store, where=where)
    assert caught.value.param == "filters"


async def test_metadata_that_json_cannot_hold_harms_nothing(store: VectorStore) -> None:
    odd: dict[str, Any] = {"nan": float("nan"), "inf": float("-inf"), "huge": 2**70, "\ud800": "\udfff", "ok": 1}
    await put(store, chunk("a", metadata=odd), chunk("b", metadata={"nan": 1.0}))
    [document, _] = await store.documents("acme")
    assert document.metadata == {"huge": str(2**70), "?": "?", "ok": 1}
    wanted: list[Callable[[], Where]] = [lambda: is_("ok", "eq", 1), lambda: is_("\ud800", "ne", "\ud800")]
    for where in wanted:
        assert "a" in await names(store, where=where())
