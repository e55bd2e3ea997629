"""A chat request in OpenAI's wire, as Anthropic's Messages API takes it.

What has no counterpart there (`seed`, penalties, `logit_bias`, `logprobs`, vLLM's fields but `top_k`)
is dropped; more than one choice is refused, because fewer answers than asked for would be wrong.
A `json_schema` is Anthropic's structured output (`output_config.format`), which is exact in what it takes of the
schema (`anthropic_schema`); `json_object`, and a schema of any object, have no counterpart and become a sentence of the
system prompt. Of `temperature` and `top_p` models take one: the latter is dropped. Where a client wants the prompt
cached (`anthropic_cache`), texts are cut there; without that they stay whole.
"""

from typing import Any

import orjson

from app.errors import NotForThisTarget
from app.providers.anthropic_cache import Breakpoints, mark_stable_part, text_blocks
from app.providers.anthropic_schema import fitted_schema
from app.providers.body import output_limit
from app.providers.call_ids import accepted_id
from app.providers.presets import PRESETS

_ANY_OBJECT = {"type": "object"}
_JSON_OBJECT = "Answer with one JSON object and nothing else."
_CALL_IDS = PRESETS["anthropic"].call_ids
_TOOL_CHOICES = {"auto": "auto", "required": "any", "none": "none"}


def anthropic_request(
    body: dict[str, Any], *, stream: bool, max_output_tokens: int, caches_unasked: bool = False
) -> dict[str, Any]:
    """The body of `POST /messages`. Raises NotForThisTarget for what cannot be said there.

    `caches_unasked`: let the stable part of the prompt be cached where the client says nothing about it.
    """
    if (body.get("n") or 1) > 1:
        raise NotForThisTarget("this model gives one choice: leave n out", param="n")
    breakpoints = Breakpoints(body)
    request: dict[str, Any] = {
        "model": body["model"],
        "max_tokens": output_limit(body, max_output_tokens),
        "messages": _turns(body["messages"], breakpoints),
        "stream": stream,
        **breakpoints.control("request"),
    }
    schema = _answer_schema(body)
    if schema is not None and schema != _ANY_OBJECT:
        fitted = fitted_schema(schema, "response_format")
        request["output_config"] = {"format": {"type": "json_schema", "schema": fitted}}
    if system := _system(body, breakpoints):
        request["system"] = system
    if body.get("temperature") is not None:
        request["temperature"] = min(body["temperature"], 1.0)  # its scale ends at 1, OpenAI's at 2
    elif body.get("top_p") is not None:
        request["top_p"] = body["top_p"]
    if (body.get("top_k") or 0) > 0:  # vLLM: -1 and 0 stand for all
        request["top_k"] = body["top_k"]
    if stop := body.get("stop"):
        request["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    if tools := body.get("tools"):
        request["tools"] = [
            {**_tool(tool["function"]), **breakpoints.control("tool", index)} for index, tool in enumerate(tools)
        ]
        if choice := _tool_choice(body):
            request["tool_choice"] = choice
    if caches_unasked and not breakpoints:
        mark_stable_part(request)
    return request


def _answer_schema(body: dict[str, Any]) -> dict[str, Any] | None:
    """The schema of the JSON that is wanted; None where any text is."""
    answer_format = body.get("response_format") or {}
    if answer_format.get("type") == "json_schema":
        return answer_format["json_schema"].get("schema") or _ANY_OBJECT
    return _ANY_OBJECT if answer_format.get("type") == "json_object" else None


def _system(body: dict[str, Any], breakpoints: Breakpoints) -> str | list[dict[str, Any]]:
    """All system messages: one text, or blocks where they are cut."""
    found = [(i, message) for i, message in enumerate(body["messages"]) if message["role"] in ("system", "developer")]
    last = [_JSON_OBJECT] if _answer_schema(body) == _ANY_OBJECT else []
    if not any(breakpoints.in_text(index) for index, _ in found):
        return "\n\n".join([*(message["content"] for _, message in found), *last])
    blocks = [block for i, message in found for block in text_blocks(message["content"], breakpoints.in_text(i))]
    return [*blocks, *({"type": "text", "text": text} for text in last)]


def _turns(messages: list[dict[str, Any]], breakpoints: Breakpoints) -> list[dict[str, Any]]:
    """User and assistant in turn. Results of tools are the user's; neighbours of one role become one
    turn, since all results of one answer's calls belong into the turn after it."""
    turns: list[dict[str, Any]] = []
    for index, message in enumerate(messages):
        if message["role"] in ("system", "developer"):
            continue
        role = "assistant" if message["role"] == "assistant" else "user"
        blocks = _blocks(message, index, breakpoints)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    return turns


def _blocks(message: dict[str, Any], index: int, breakpoints: Breakpoints) -> list[dict[str, Any]]:
    text = message.get("content") or message.get("refusal") or ""
    cuts = breakpoints.in_text(index)
    if message["role"] == "tool":
        result = {"type": "tool_result", "tool_use_id": accepted_id(_CALL_IDS, message["tool_call_id"])}
        inside = [cut for cut in cuts if cut.at < len(text)]
        return [
            {
                **result,
                "content": text_blocks(text, inside) if inside else text,
                **breakpoints.control("text", index, len(text)),
            }
        ]
    calls = message.get("tool_calls") or ()
    # Some models write a line break before they call; a block of white space alone is an error there.
    blocks = text_blocks(text, cuts) if text.strip() or not calls else []
    for number, call in enumerate(calls):
        function = call["function"]
        use = {"type": "tool_use", "id": accepted_id(_CALL_IDS, call["id"]), "name": function["name"]}
        blocks.append({**use, "input": _arguments(function["arguments"]), **breakpoints.control("call", index, number)})
    return blocks


def _arguments(text: str) -> dict[str, Any]:
    try:
        arguments = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        arguments = None
    if not isinstance(arguments, dict):
        raise NotForThisTarget("the arguments of a tool call are no JSON object", param="messages")
    return arguments


def _tool(function: dict[str, Any]) -> dict[str, Any]:
    tool: dict[str, Any] = {
        "name": function["name"],
        "input_schema": function.get("parameters") or {"type": "object", "properties": {}},
    }
    for name in ("description", "strict"):
        if function.get(name) is not None:
            tool[name] = function[name]
    if tool.get("strict"):
        tool["input_schema"] = fitted_schema(tool["input_schema"], "tools")
    return tool


def _tool_choice(body: dict[str, Any]) -> dict[str, Any] | None:
    asked, one_at_a_time = body.get("tool_choice"), body.get("parallel_tool_calls") is False
    if asked is None and not one_at_a_time:
        return None
    choice: dict[str, Any] = (
        {"type": "tool", "name": asked["function"]["name"]}
        if isinstance(asked, dict)
        else {"type": _TOOL_CHOICES[asked or "auto"]}
    )
    if one_at_a_time and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    return choice
