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
        ('"a bare \\u0073tring"', ["a bare string"]),
        ("{}", []),
        # Both values reach the model.
        ('{"a": "ann@example.org", "a": "x"}', ["ann@example.org", "x"]),
        # What Python's json writes.
        ('{"name": "Jos\\u00e9", "score": NaN, "least": -Infinity}', ["Jos\u00e9"]),
        ('{"name": "\\ud800Ann"}', ["\ud800Ann"]),
        # No JSON, or too deep: as one text.
        ("{'to': 'a\\u006en\\u0040example.org\\n'}", ["{'to': 'ann@example.org\\n'}"]),
        ("[" * 100 + '"\\u0041nn \\u0022 \\\\u0041"' + "]" * 100, ["[" * 100 + '"Ann \\" \\\\u0041"' + "]" * 100]),
        ("[" * 100_000, ["[" * 100_000]),
    ],
)
def test_what_the_guard_reads(arguments: str, texts: list[str]) -> None:
    assert draft(arguments).texts == ["Hi", *texts]


def test_masking_a_number_leaves_valid_json() -> None:
    made = draft('{"phone": 4155552671, "n": 3}').with_texts(["Hi", "<PHONE_NUMBER_1>", "3"])
    assert json.loads(arguments_of(made)) == {"phone": "<PHONE_NUMBER_1>", "n": 3}


def test_what_is_masked_leaves_the_rest_as_it_is_spelled() -> None:
    made = draft('{"a": 1.50, "b": "ann@example.org", "c": 1e400, "c": NaN, "d": "\\ud800", "e": "J\\u00fcrgen"}')
    texts = ["<EMAIL_1>" if text == "ann@example.org" else text for text in made.texts]
    expected = '{"a":1.50,"b":"<EMAIL_1>","c":1e400,"c":NaN,"d":"\\ud800","e":"J\u00fcrgen"}'
    assert arguments_of(made.with_texts(texts)) == expected


def test_one_text_that_is_no_json_is_replaced_as_a_whole() -> None:
    made = draft("to=\\u0061nn@example.org")
    assert arguments_of(made.with_texts(["Hi", "to=<EMAIL_1>"])) == "to=<EMAIL_1>"
    assert arguments_of(made.with_texts(made.texts)) == "to=\\u0061nn@example.org"


@pytest.mark.parametrize("stop", ["Ann Miller:", ["Ann Miller:", "END"]])
def test_what_ends_an_answer_is_read_behind_the_messages(stop: str | list[str]) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stop": stop}
    made = Draft.of(ChatRequest.model_validate(body))
    masked = made.with_texts([text.replace("Ann Miller", "<PERSON_1>") for text in made.texts])
    assert masked.body["stop"] == ("<PERSON_1>:" if isinstance(stop, str) else ["<PERSON_1>:", "END"])
    assert made.body["stop"] == stop


def test_names_of_fields_are_masked_in_their_places() -> None:
    made = draft('{"a@example.org": "Ann", "n": 3, "b@example.org": {"c@example.org": 4}}')
    masked = ["Hi", "<EMAIL_1>", "<PERSON_1>", "3", "<EMAIL_2>", "<EMAIL_3>", "4"]
    assert arguments_of(made.with_texts(masked)) == '{"<EMAIL_1>":"<PERSON_1>","n":3,"<EMAIL_2>":{"<EMAIL_3>":4}}'


def test_no_value_is_lost_where_names_become_the_same() -> None:
    made = draft('{"a@example.org": 1, "b@example.org": 2}')
    masked = ["Hi", "[EMAIL]", "1", "[EMAIL]", "2"]
    assert arguments_of(made.with_texts(masked)) == '{"[EMAIL]":1,"[EMAIL]":2}'


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
