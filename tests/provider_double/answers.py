"""What a double says to a request, whatever the wire: words, a tool call, or JSON after a schema."""

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import orjson

from tests.provider_double.prompt_cache import Counted, PromptCache

Wire = Literal["chat", "completions", "messages"]

WORDS = "the double answers with plain words that anybody can count one after another ".split()


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request is answered with, whatever the wire."""

    wire: Wire
    model: str
    tokens: tuple[str, ...]
    finish: Literal["stop", "length", "tool"]
    tool: str | None  # the function that is called; its arguments are the tokens
    prompt_tokens: int
    cached_tokens: int
    choices: int = 1
    written_tokens: int = 0  # of the prompt, into its cache; Anthropic's wire tells
    written_1h_tokens: int = 0

    @property
    def generated(self) -> int:
        return len(self.tokens) * self.choices

    @property
    def usage(self) -> dict[str, Any]:
        """As OpenAI reports it."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.generated,
            "total_tokens": self.prompt_tokens + self.generated,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens},
        }


def answer_to(
    wire: Wire, body: dict[str, Any], limit: int, cached_tokens: int, cache: PromptCache, *, varied: bool = False
) -> Answer:
    """Make the answer: at most `limit` tokens, or fewer if the request says so. `varied`: it begins with a number
    that is another one for another question."""
    asked = body.get("max_completion_tokens") or body.get("max_tokens") or limit
    count = min(limit, asked)
    tool = _tool_to_call(wire, body)
    schema = _schema_of(body)
    finish: Literal["stop", "length", "tool"] = "length" if asked < limit else "stop"
    if tool:
        tokens, finish = _pieces(orjson.dumps(_example(tool[1])).decode()), "tool"
    elif schema:
        tokens, finish = _pieces(orjson.dumps(_example(schema)).decode()), "stop"
    else:
        tokens = (f"{_number_of(body)} ", *_words(count - 1)) if varied else _words(count)
    prompt_tokens = _count_words(body)
    counted = cache.count(body) if wire == "messages" else Counted()
    return Answer(
        wire=wire,
        model=body.get("model", ""),
        tokens=tokens,
        finish=finish,
        tool=tool[0] if tool else None,
        prompt_tokens=prompt_tokens,
        cached_tokens=counted.read or min(cached_tokens, prompt_tokens),
        choices=body.get("n") or 1,
        written_tokens=counted.written,
        written_1h_tokens=counted.written_1h,
    )


@lru_cache(1024)
def _words(count: int) -> tuple[str, ...]:
    return tuple(WORDS[place % len(WORDS)] + " " for place in range(count))


def _number_of(body: dict[str, Any]) -> int:
    """The same for questions of the same words, whatever their case and order; "please" is none."""
    last = (body.get("messages") or [{"content": str(body.get("prompt"))}])[-1].get("content")
    words = sorted(set(re.findall(r"\w+", str(last).lower())) - {"please"})
    return int.from_bytes(hashlib.blake2b(" ".join(words).encode(), digest_size=3).digest(), "big")


def _pieces(text: str) -> tuple[str, ...]:
    """JSON in tokens of four characters."""
    return tuple(text[start : start + 4] for start in range(0, len(text), 4))


def _count_words(body: dict[str, Any]) -> int:
    """Words of the prompt, wherever a wire puts them."""
    texts: list[Any] = [body.get("prompt"), body.get("system")]
    texts += [message.get("content") for message in body.get("messages") or ()]
    return sum(_words_in(text) for text in texts)


def _words_in(content: Any) -> int:
    if isinstance(content, str):
        return len(content.split())
    if isinstance(content, list):
        return sum(_words_in(part) for part in content)
    if isinstance(content, dict):
        return _words_in(content.get("text") or content.get("content"))
    return 0


def _tool_to_call(wire: Wire, body: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """The named or the first tool and its schema, unless its result is there already."""
    tools, choice = body.get("tools"), body.get("tool_choice")
    if not tools or choice in ("none", {"type": "none"}) or _has_tool_result(body["messages"][-1]):
        return None
    schemas: dict[str, dict[str, Any]] = (
        {tool["name"]: tool["input_schema"] for tool in tools}
        if wire == "messages"
        else {tool["function"]["name"]: tool["function"].get("parameters") or {} for tool in tools}
    )
    choice = choice if isinstance(choice, dict) else {}
    name: str = choice.get("name") or choice.get("function", {}).get("name") or next(iter(schemas))
    return name, schemas[name]


def _has_tool_result(message: dict[str, Any]) -> bool:
    content = message.get("content")
    parts = content if isinstance(content, list) else ()
    return message.get("role") == "tool" or any(part.get("type") == "tool_result" for part in parts)


def _schema_of(body: dict[str, Any]) -> dict[str, Any] | None:
    """The schema that the answer has to follow, if any."""
    openai = (body.get("response_format") or {}).get("json_schema") or {}
    anthropic = (body.get("output_config") or {}).get("format") or {}
    schema: dict[str, Any] | None = openai.get("schema") or anthropic.get("schema")
    return schema


def _example(schema: dict[str, Any]) -> Any:
    """A value that a schema of plain types allows."""
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type", "object")
    if kind == "object":
        return {name: _example(part) for name, part in (schema.get("properties") or {}).items()}
    if kind == "array":
        return [_example(schema.get("items") or {"type": "string"})]
    return {"integer": 1, "number": 1.5, "boolean": True, "null": None}.get(kind, "word")
