"""The words in tool arguments are read as the engine reads them, and rewritten without breaking the JSON."""

import json
from typing import Any

import pytest

from app.pipeline.draft import Draft
from app.wire.chat import ChatRequest


def draft(arguments: str) -> Draft:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "tool_calls": [call]}]
    return Draft.of(ChatRequest.model_validate({"model": "m", "messages": messages}))


def arguments_of(made: Draft) -> str:
    found: str = made.body["messages"][1]["tool_calls"][0]["function"]["arguments"]
    return found


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        ('{"mail": "john\\u0040example.com"}', ["john@example.com"]),
        (json.dumps({"to": "J\u00fcrgen"}), ["J\u00fcrgen"]),
        ('{"phone": 4155552671, "nested": [{"x": "a"}, true, null, 1.5]}', ["4155552671", "a", "1.5"]),
        ('{"ann@example.org": {"Ann Lee": 1}, "address_2": "x"}', ["ann@example.org", "Ann Lee", "1", "x"]),
        (
            '{"DE89370400440532013000": true, "ghp_16C7e42F292c6912E7": null}',
            ["DE89370400440532013000", "ghp_16C7e42F292c6912E7"],
        ),
        ("not JSON", ["not JSON"]),
        ('"a bare string"', ['"a bare string"']),
        ("{}", []),
        ("[" * 100 + "]" * 100, ["[" * 100 + "]" * 100]),
    ],
)
def test_what_the_guard_reads(arguments: str, texts: list[str]) -> None:
    assert draft(arguments).texts == ["Hi", *texts]


def test_masking_a_number_leaves_valid_json() -> None:
    made = draft('{"phone": 4155552671, "n": 3}').with_texts(["Hi", "<PHONE_NUMBER_1>", "3"])
    assert json.loads(arguments_of(made)) == {"phone": "<PHONE_NUMBER_1>", "n": 3}


def test_names_of_fields_are_masked_in_their_places() -> None:
    made = draft('{"a@example.org": "Ann", "n": 3, "b@example.org": {"c@example.org": 4}}')
    masked = ["Hi", "<EMAIL_1>", "<PERSON_1>", "3", "<EMAIL_2>", "<EMAIL_3>", "4"]
    assert arguments_of(made.with_texts(masked)) == '{"<EMAIL_1>":"<PERSON_1>","n":3,"<EMAIL_2>":{"<EMAIL_3>":4}}'


def test_no_value_is_lost_where_names_become_the_same() -> None:
    made = draft('{"a@example.org": 1, "b@example.org": 2, "c@example.org": "x"}')
    masked = ["Hi", "[EMAIL]", "1", "[EMAIL]", "2", "[EMAIL]", "y"]
    assert list(json.loads(arguments_of(made.with_texts(masked))).values()) == [1, 2, "y"]


@pytest.mark.parametrize("arguments", ['{"a":  "x", "big": 123456789012345678901234567890}', "not JSON", "{}", ""])
def test_what_is_not_changed_keeps_its_spelling(arguments: str) -> None:
    made = draft(arguments)
    assert arguments_of(made.with_texts(made.texts)) == arguments


@pytest.mark.parametrize("field", ["tool_call_id", "name"])
def test_identifiers_have_no_room_for_text(field: str) -> None:
    message: dict[str, Any] = {"role": "tool", "content": "42", "tool_call_id": "1", "name": "f"}
    message[field] = "john@example.com said hello"
    with pytest.raises(ValueError, match="pattern"):
        ChatRequest.model_validate({"model": "m", "messages": [message]})
