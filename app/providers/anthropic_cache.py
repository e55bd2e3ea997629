"""Anthropic's prompt cache: blocks that end where a prompt is to be kept up to.

https://docs.claude.com/en/docs/build-with-claude/prompt-caching: at most four `cache_control` a request, in the order
tools, system, messages; each covers all before it. One that is too short is not kept, at no cost.
"""

from collections.abc import Iterable
from typing import Any

from app.pipeline.cache_breakpoints import FIELD, Breakpoint

Block = dict[str, Any]


class Breakpoints:
    """Those of one request, by the place that they stand at."""

    def __init__(self, body: dict[str, Any]) -> None:
        self._all: list[Breakpoint] = body.get(FIELD) or []

    def __bool__(self) -> bool:
        return bool(self._all)

    def in_text(self, message: int) -> list[Breakpoint]:
        """In the text of a message, in order."""
        return sorted((each for each in self._all if each.behind == "text" and each.index == message), key=_at)

    def control(self, behind: str, index: int = 0, at: int = 0) -> Block:
        """`cache_control` behind a thing, as fields to add to it."""
        found = (each for each in self._all if (each.behind, each.index, each.at) == (behind, index, at))
        return control_of(next(found, None))


def control_of(breakpoint: Breakpoint | None) -> Block:
    """`cache_control` as fields to add; none without a breakpoint."""
    if breakpoint is None:
        return {}
    return {"cache_control": {"type": "ephemeral", **({"ttl": "1h"} if breakpoint.ttl == "1h" else {})}}


def text_blocks(text: str, breakpoints: Iterable[Breakpoint]) -> list[Block]:
    """A text, cut behind its breakpoints. A block of white space alone is an error there, so it stays with the next."""
    blocks: list[Block] = []
    start = 0
    for each in breakpoints:
        piece = text[start : each.at]
        if not piece.strip():
            continue
        blocks.append({"type": "text", "text": piece, **control_of(each)})
        # The line break is ours: the client had two texts here.
        start = each.at + 1 if text[each.at : each.at + 1] == "\n" else each.at
    rest = text[start:]
    if rest.strip() or (rest and not blocks):
        blocks.append({"type": "text", "text": rest})
    return blocks


def mark_stable_part(request: dict[str, Any]) -> None:
    """Put a breakpoint behind tools and system prompt, in place: what the next request of the same kind begins with."""
    mark = control_of(Breakpoint("request", "5m"))
    if system := request.get("system"):
        blocks = [{"type": "text", "text": system}] if isinstance(system, str) else system
        request["system"] = [*blocks[:-1], {**blocks[-1], **mark}]
    elif tools := request.get("tools"):
        request["tools"] = [*tools[:-1], {**tools[-1], **mark}]


def _at(breakpoint: Breakpoint) -> int:
    return breakpoint.at
