"""Records in the store: sealed for their name, checked when they are opened, else dropped, counted, replaced."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cache.entry import MAX_BYTES, Entry, Record, Seal
from app.cache.exact import ExactCache
from app.config import CacheConfig
from tests.unit.cache.dict_store import DictStore
from tests.unit.fake_model import whole_answer

ANSWER = whole_answer("chat", {"model": "m"}, "Hello.")
SEAL = Seal(b"hash key")
RAW = Record(Entry(ANSWER, ("Hel", "lo."), 5.0), 5.0, 60, ".").to_json()


def changed(path: tuple[str | int, ...], value: Any = None, answer: dict[str, Any] = ANSWER) -> dict[str, Any]:
    """The answer with another value there; without one, the field is gone."""
    part = result = copy.deepcopy(answer)
    for step in path[:-1]:
        part = part[step]  # type: ignore[index]
    if value is None:
        del part[path[-1]]  # type: ignore[arg-type]
    else:
        part[path[-1]] = value  # type: ignore[index]
    return result


def test_a_sealed_record_opens_under_its_name() -> None:
    record = Record.from_json(SEAL.open("n", SEAL.close("n", RAW)))
    assert record == Record(Entry(ANSWER, ("Hel", "lo.")), 5.0, 60, ".")
    assert isinstance(record.content, Entry)
    assert record.content.made_s == 5.0
    alias = Record("k", 5.0, 60, ".")
    assert Record.from_json(SEAL.open("n", SEAL.close("n", alias.to_json()))) == alias


@given(st.data())
def test_a_record_with_any_byte_changed_added_or_cut_off_does_not_open(data: st.DataObject) -> None:
    sealed = SEAL.close("n", RAW)
    at = data.draw(st.integers(0, len(sealed) - 1))
    byte = data.draw(st.integers(1, 255))
    for wrong in (
        sealed[:at],
        sealed[at + 1 :],
        sealed + bytes([byte]),
        sealed[:at] + bytes([sealed[at] ^ byte]) + sealed[at + 1 :],
    ):
        with pytest.raises(ValueError, match="not sealed"):
            SEAL.open("n", wrong)


def test_a_record_does_not_open_under_another_name_or_another_stacks_key() -> None:
    sealed = SEAL.close("n", RAW)
    for name, seal in (("m", SEAL), ("n\n", SEAL), ("", SEAL), ("n", Seal(b"other key"))):
        with pytest.raises(ValueError, match="not sealed"):
            seal.open(name, sealed)


def test_owners_are_told_apart_and_not_told_to_anybody() -> None:
    owners = {SEAL.owner(tenant) for tenant in ("acme", "acme2", "", "ACME")}
    assert len(owners) == 4
    assert SEAL.owner("acme") != Seal(b"other key").owner("acme")


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"choices": [{}]},
        changed(("choices",), []),
        changed(("choices",), {"0": {}}),
        changed(("choices",), ["x"]),
        changed(("choices", 0), [1]),
        changed(("choices", 0, "message"), "Hello."),
        changed(("choices", 0, "message")),
        changed(("choices", 0, "message", "content"), 5),
        changed(("choices", 0, "message", "content"), ["Hello."]),
        changed(("choices", 0, "message", "tool_calls"), [{"id": "c"}]),
        changed(("choices", 0, "message", "tool_calls"), [{"id": "c", "function": {"name": "f", "arguments": {}}}]),
        changed(("choices", 0, "finish_reason"), 5),
        changed(("choices", 0, "finish_reason")),
        changed(("id",)),
        changed(("id",), 5),
        changed(("model",), ["m"]),
        changed(("usage",), 14),
        changed(("sextant",), "x"),
        changed(("choices", 0, "message", "content"), "\ud800"),
        changed(("extra",), object()),
        changed(("choices", 0, "message", "content"), "x" * MAX_BYTES),
    ],
)
async def test_an_answer_that_could_not_be_replayed_is_not_kept_and_does_not_open(answer: dict[str, Any]) -> None:
    store = DictStore()
    cache = ExactCache(CacheConfig(), store, b"hash key")
    cache.keep("acme", "k", Entry(answer))
    await cache.kept()
    assert (store.values, cache.counters.dropped, cache.counters.entries) == ({}, 1, 0)

    try:
        raw = json.dumps({**json.loads(RAW), "answer": answer}).encode()
    except TypeError:
        return  # what is no JSON cannot lie in the store
    with pytest.raises(ValueError, match="record"):
        SEAL.open("n", SEAL.close("n", raw))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\x00",
        b"[]",
        b"null",
        b"5",
        b"[" * 100_000,
        json.dumps({**json.loads(RAW), "deltas": None}).encode(),
        json.dumps({**json.loads(RAW), "deltas": [5]}).encode(),
        json.dumps({**json.loads(RAW), "made_s": "5"}).encode(),
        json.dumps({**json.loads(RAW), "made_s": float("nan")}).encode(),
        json.dumps({**json.loads(RAW), "made_s": float("inf")}).encode(),
        json.dumps({**json.loads(RAW), "ttl_s": -1}).encode(),
        json.dumps({**json.loads(RAW), "epoch": None}).encode(),
        json.dumps({"alias": 5, "made_s": 5, "ttl_s": 5, "epoch": "."}).encode(),
        json.dumps({"alias": "", "made_s": 5, "ttl_s": 5, "epoch": "."}).encode(),
        RAW[:-9],
    ],
)
def test_what_is_no_record_does_not_open_even_if_it_is_sealed(raw: bytes) -> None:
    with pytest.raises(ValueError, match="record"):
        SEAL.open("n", SEAL.close("n", raw))


def test_answers_of_all_forms_can_be_kept() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    for answer in (
        ANSWER,
        whole_answer("completions", {"model": "m"}, "Hello."),
        changed(("choices", 0, "message"), {"role": "assistant", "content": None, "tool_calls": [call]}),
        changed(("choices", 0, "message"), {"role": "assistant", "tool_calls": None, "content": "x", "refusal": None}),
        {**ANSWER, "usage": None, "sextant": {"citations": []}},
        changed(("choices", 0, "message", "content"), "\x00 \u2028 \U0001f600 " + "x" * 500_000),
    ):
        raw = Record(Entry(answer), 5.0, 60, ".").to_json()
        assert Record.from_json(SEAL.open("n", SEAL.close("n", raw))).content == Entry(answer)


async def test_a_poisoned_entry_is_dropped_counted_and_replaced(caplog: pytest.LogCaptureFixture) -> None:
    store = DictStore()
    writer = ExactCache(CacheConfig(), store, b"hash key")
    writer.keep("acme", "k", Entry(ANSWER))
    await writer.kept()
    [(name, good)] = store.values.items()

    for poison in (b"", good[:-1], good.replace(b"Hello.", b"Hullo."), b"0" * 32 + good[32:], b"x" * 2 * MAX_BYTES):
        store.values[name] = poison
        cache = ExactCache(CacheConfig(), store, b"hash key")
        assert await cache.look_up("acme", "k") is None
        await cache.kept()
        assert cache.counters.dropped == 1
        assert name not in store.values
        cache.keep("acme", "k", Entry(ANSWER))
        found = await cache.look_up("acme", "k")
        assert found is not None
        assert found.entry == Entry(ANSWER)
    assert "dropped a cache entry" in caplog.text
    assert "Hello" not in caplog.text


async def test_an_entry_copied_to_another_tenants_name_is_never_served() -> None:
    store = DictStore()
    cache = ExactCache(CacheConfig(), store, b"hash key")
    for tenant in ("acme", "victim"):
        cache.keep(tenant, "k", Entry(whole_answer("chat", {"model": "m"}, f"For {tenant}.")))
    cache.keep("acme", "j", Entry(ANSWER), alias="i")
    await cache.kept()
    names = dict(zip(("acme", "victim", "j", "i"), store.values, strict=True))

    for source in ("acme", "j", "i"):
        store.values[names["victim"]] = store.values[names[source]]
        reader = ExactCache(CacheConfig(), store, b"hash key")
        assert await reader.look_up("victim", "k") is None
        assert reader.counters.dropped == 1
