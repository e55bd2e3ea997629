"""Pieces of tool calls, numbered so that a client puts together what belongs together."""

from typing import Any

import pytest

from app.providers.call_numbers import CallNumbers

NONE = object()


def piece(identifier: str | None, index: Any = NONE, name: str | None = None) -> dict[str, Any]:
    told = {} if index is NONE else {"index": index}
    return {**told, "id": identifier, "function": {"name": name, "arguments": "x"}}


def first(identifier: str | None, index: Any = NONE) -> dict[str, Any]:
    return piece(identifier, index, "f")


@pytest.mark.parametrize(
    ("pieces", "numbers"),
    [
        ([first("a", 0), piece(None, 0), first("b", 1), piece(None, 1)], [0, 0, 1, 1]),
        ([first("a", 0), first("b", 1), piece(None, 0), piece(None, 1)], [0, 1, 0, 1]),
        ([first("a", 1), first("b", 2)], [1, 2]),
        ([first("a"), first("b"), first("c")], [0, 1, 2]),
        ([first("a", None), piece(None, None), first("b", None), piece(None, None)], [0, 0, 1, 1]),
        ([first("a", 0), first("b", 0), piece(None, 0), first("c", 0), piece(None, 0)], [0, 1, 1, 2, 2]),
        ([first("a"), piece("a"), first("b"), piece("a"), piece("")], [0, 0, 1, 0, 0]),
        ([first("a", 0), piece("x", 0), piece("y", 0)], [0, 0, 0]),
        ([first("a", 0), first("a", 1), piece("a", 0), piece("a", 1)], [0, 1, 0, 1]),
        ([first(None, 0), piece(None, 0), first(None, 1)], [0, 0, 1]),
        ([piece(None)], [0]),
        ([first("a", 0), first("b"), first("c", 1)], [0, 1, 2]),
    ],
)
def test_each_call_has_one_number_of_its_own(pieces: list[dict[str, Any]], numbers: list[int]) -> None:
    calls = CallNumbers()
    for each in pieces:
        calls.set([each])
    assert [each["index"] for each in pieces] == numbers
