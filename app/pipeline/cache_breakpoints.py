"""Anthropic's cache breakpoints (`cache_control`): up to where a provider shall keep a prompt.

They stand beside a body's texts, in a field of its own, since texts change on the way: the guard rewrites them, an
alias's prompt is put in front, passages come around the question. A body without any has no such field.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from app.wire.chat import CacheControl, ChatRequest, Message

FIELD = "cache_breakpoints"
MOST = 4  # Anthropic's limit


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """One of them. It stands behind the whole request (the provider finds the place), a tool, a stretch of a
    message's text, or a tool call in a message."""

    behind: Literal["request", "tool", "text", "call"]
    ttl: Literal["5m", "1h"]
    index: int = 0  # of the tool, or of the message
    at: int = 0  # characters of the message's content, or the call's index

    @property
    def in_message(self) -> bool:
        return self.behind in ("text", "call")


def breakpoints_of(request: ChatRequest) -> list[Breakpoint]:
    """Where a request has `cache_control`, in the order of Anthropic's prompts: tools first. Of more than it takes, the
    first and the last are kept: what all requests begin with, and what this one adds."""
    found = [
        Breakpoint("tool", _ttl(tool.cache_control), i)
        for i, tool in enumerate(request.tools or ())
        if tool.cache_control
    ]
    found += [each for i, message in enumerate(request.messages) for each in _in_message(i, message)]
    if request.cache_control:
        found.append(Breakpoint("request", _ttl(request.cache_control)))
    return found if len(found) <= MOST else [found[0], *found[1 - MOST :]]


def moved(
    breakpoints: Sequence[Breakpoint], before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
) -> list[Breakpoint]:
    """The same places once the messages' texts have been rewritten, line by line.

    A breakpoint stands at a line's end. It is left out where lines have been joined and none can be told from
    another: that costs a provider's cache entry, and no answer.
    """
    found = []
    for each in breakpoints:
        at: int | None = each.at
        if each.behind == "text":
            at = _same_line(before[each.index].get("content") or "", after[each.index].get("content") or "", each.at)
        if at is not None:
            found.append(replace(each, at=at))
    return found


def with_question(breakpoints: Sequence[Breakpoint], index: int, before: str, after: str) -> list[Breakpoint]:
    """The same once another text stands for a message's: only its end is a place in both."""
    return [
        replace(each, at=len(after)) if each.behind == "text" and each.index == index else each
        for each in breakpoints
        if not (each.behind == "text" and each.index == index and each.at < len(before))
    ]


def below(breakpoints: Sequence[Breakpoint], *, messages: int = 0, characters: int = 0) -> list[Breakpoint]:
    """The same once messages, or characters of the first one, have come in front."""
    return [
        replace(
            each,
            index=each.index + messages,
            at=each.at + (characters if each.behind == "text" and each.index == 0 else 0),
        )
        if each.in_message
        else each
        for each in breakpoints
    ]


def behind(breakpoints: Sequence[Breakpoint], leading: int, *, messages: int) -> list[Breakpoint]:
    """The same once messages have come between the first `leading` ones and the rest."""
    return [
        replace(each, index=each.index + messages) if each.in_message and each.index >= leading else each
        for each in breakpoints
    ]


def last_for_an_hour(body: Mapping[str, Any]) -> bool:
    """Whether a provider may keep a part of this prompt for an hour, which costs more."""
    return any(each.ttl == "1h" for each in body.get(FIELD, ()))


def _in_message(index: int, message: Message) -> Iterator[Breakpoint]:
    end = 0
    for part in message.content if isinstance(message.content, list) else ():
        end += len(part.text)
        if part.cache_control:
            yield Breakpoint("text", _ttl(part.cache_control), index, end)
        end += 1  # parts become lines of one text
    calls = message.tool_calls or ()
    for number, call in enumerate(calls):
        if call.cache_control:
            yield Breakpoint("call", _ttl(call.cache_control), index, number)
    if message.cache_control:
        ttl = _ttl(message.cache_control)
        yield (
            Breakpoint("call", ttl, index, len(calls) - 1)
            if calls
            else Breakpoint("text", ttl, index, len(message.text or ""))
        )


def _ttl(control: CacheControl) -> Literal["5m", "1h"]:
    return control.ttl or "5m"


def _same_line(before: str, after: str, at: int) -> int | None:
    """The end of the line in `after` that ends at `at` in `before`."""
    if before == after:
        return at
    if at >= len(before):
        return len(after)
    if before.count("\n") != after.count("\n"):
        return None
    end = -1
    for _ in range(before.count("\n", 0, at) + 1):
        end = after.index("\n", end + 1)
    return end
