"""What providers answer in OpenAI's wire, put right where they leave it: chunks and whole answers alike.

- Content that comes as a list of parts (Mistral's reasoning models) becomes text, and its thinking
  `reasoning_content`, the name that vLLM, DeepSeek and others use.
- Together's chat chunks say the content once more as a text completion's `text`, and some say their thinking under both
  of its names: once is enough, and what reads one of them would miss the other.
- Gemini and xAI report thoughts in `total_tokens` alone. All of them are billed as output, so
  `completion_tokens` is at least what the total leaves beside the prompt.
- `created` and a choice's `index` are set where they are missing; a whole answer's calls have no `index`.
- Numbers of the usage that are no counts are dropped. A usage without both of its counts is dropped
  whole: to estimate is better than to bill by nonsense.
"""

from typing import Any

from app.errors import UpstreamFailed

MAX_COUNT = 2**31 - 1  # tokens; more is no count


def normalise(part: dict[str, Any], created: int) -> list[dict[str, Any]]:
    """Put a chunk or an answer right, in place. Returns its choices. Raises UpstreamFailed for what is neither.

    `created`: when it was made, if the provider does not say.
    """
    choices = part.get("choices") or []
    if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
        raise _unreadable()
    part["choices"] = choices
    if type(part.get("created")) is not int:
        part["created"] = created
    for position, choice in enumerate(choices):
        if choice.get("index") is None:
            choice["index"] = position
        if type(choice["index"]) is not int or not _are_texts(choice, "finish_reason", "text"):
            raise _unreadable()
        for name in ("delta", "message"):
            if choice.get(name) is not None:
                choice.pop("text", None)
                _flatten(choice[name], is_whole=name == "message")
    if "usage" in part:
        part["usage"] = _usage(part["usage"])
    return choices


def _flatten(said: Any, *, is_whole: bool) -> None:
    """Make the content of a delta or a message text."""
    if not isinstance(said, dict):
        raise _unreadable()
    if "reasoning_content" in said and said.get("reasoning") == said["reasoning_content"]:
        del said["reasoning"]
    if not _are_texts(said, "refusal"):
        raise _unreadable()
    _check_calls(said.get("tool_calls"), is_whole=is_whole)
    content = said.get("content")
    if content is None or isinstance(content, str):
        return
    if not isinstance(content, list):
        raise _unreadable()
    text = _text([part for part in content if not _is_thinking(part)])
    thinking = "".join(_text(part["thinking"]) for part in content if _is_thinking(part))
    if text or is_whole:
        said["content"] = text or (None if said.get("tool_calls") else "")
    else:
        del said["content"]  # a delta of thinking says no content, not an empty one
    if thinking:
        said["reasoning_content"] = thinking


def _check_calls(calls: Any, *, is_whole: bool) -> None:
    """Raise UpstreamFailed for tool calls that are none."""
    if not isinstance(calls, list | None):
        raise _unreadable()
    for call in calls or ():
        if not isinstance(call, dict) or not isinstance(call.get("function"), dict | None):
            raise _unreadable()
        if not _are_texts(call, "id") or not _are_texts(call.get("function") or {}, "name", "arguments"):
            raise _unreadable()
        if is_whole:
            call.pop("index", None)
        elif type(call.get("index")) not in (int, type(None)):
            raise _unreadable()


def _are_texts(part: dict[str, Any], *names: str) -> bool:
    """Whether the fields of these names are texts, null or missing."""
    return all(isinstance(part.get(name), str | None) for name in names)


def _is_thinking(part: Any) -> bool:
    return isinstance(part, dict) and "thinking" in part


def _text(parts: Any) -> str:
    """The text of a list of parts; those of other kinds, such as references, have none."""
    if not isinstance(parts, list):
        return parts if isinstance(parts, str) else ""
    texts = (part.get("text") if isinstance(part, dict) else part for part in parts)
    return "".join(text for text in texts if isinstance(text, str))


def _usage(told: Any) -> dict[str, Any] | None:
    """The counts in a usage; None where it does not say what is billed."""
    if not isinstance(told, dict):
        return None
    usage: dict[str, Any] = _counts(told)
    prompt, completion, total = (usage.get(f"{name}_tokens") for name in ("prompt", "completion", "total"))
    if prompt is None or (completion is None and total is None):
        return None
    completion = max(completion or 0, (total or 0) - prompt)
    usage |= {"completion_tokens": completion, "total_tokens": prompt + completion}
    return usage | {name: _counts(value) for name, value in told.items() if isinstance(value, dict)}


def _counts(told: dict[str, Any]) -> dict[str, int]:
    return {name: count for name, count in told.items() if type(count) is int and 0 <= count <= MAX_COUNT}


def _unreadable() -> UpstreamFailed:
    return UpstreamFailed("The provider's answer is not in the form that its API promises.")
