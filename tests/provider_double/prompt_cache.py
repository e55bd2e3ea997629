"""Anthropic's prompt cache, in words for tokens: what a request marks is written, and read by the next one."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Counted:
    """Tokens of one prompt."""

    read: int = 0
    written: int = 0
    written_1h: int = 0  # of those


class PromptCache:
    """Keeps what was marked, for ever, for all models."""

    def __init__(self) -> None:
        self._kept: set[str] = set()

    def count(self, body: dict[str, Any]) -> Counted:
        """Look the request's marked beginnings up, and keep them."""
        marks = list(_marked(body))
        if not marks:
            return Counted()
        read = max((words for digest, words, _ in marks if digest in self._kept), default=0)
        self._kept |= {digest for digest, _, _ in marks}
        written = marks[-1][1] - read
        longest_hour = max((words for _, words, ttl in marks if ttl == "1h"), default=0)
        return Counted(read, written, max(0, longest_hour - read))


def _marked(body: dict[str, Any]) -> Iterator[tuple[str, int, str]]:
    """Digest, words and time to live of each marked beginning, in the order of the prompt."""
    digest, words = hashlib.sha256(), 0
    for block in _blocks(body):
        control = block.pop("cache_control", None)
        digest.update(orjson.dumps(block))
        text = block.get("text") or block.get("content") or ""
        words += len(text.split()) if isinstance(text, str) else 0
        if control:
            yield digest.hexdigest(), words, control.get("ttl", "5m")


def _blocks(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for part in (body.get("tools"), body.get("system"), *(turn.get("content") for turn in body.get("messages") or ())):
        if isinstance(part, str):
            yield {"text": part}
        for block in part if isinstance(part, list) else ():
            yield dict(block)
    if body.get("cache_control"):
        yield {"cache_control": body["cache_control"]}
