"""Answers that must be JSON: checked, freed of what stands around it, and asked for once more where they are wrong."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.config.policy import JsonSchemaSettings
from app.errors import InvalidRequest, SextantError
from app.guard.output.json_schema import TooMuchWork, check_schema, extracted, problem, repair_request
from app.guard.types import Verdict
from app.pipeline.flight import Flight
from app.pipeline.output import content_of
from app.telemetry.events import Attributes

Chunk = dict[str, Any]
Ask = Callable[[list[dict[str, Any]]], Awaitable[Chunk]]
VERSION = "json-schema-1"
RULE = "invalid"


class SchemaCheck:
    """The rail `json_schema` for one generation. `ask`: the same model once more, with other messages."""

    def __init__(
        self,
        settings: JsonSchemaSettings,
        response_format: Mapping[str, Any],
        messages: Sequence[Mapping[str, Any]],
        ask: Ask,
        flight: Flight,
        count: Callable[[Verdict], None],
    ) -> None:
        """`count`: told of a verdict."""
        self._count = count
        self._settings = settings
        self._format = response_format
        self._messages = messages
        self._ask = ask
        self._flight = flight

    @property
    def enforces(self) -> bool:
        """Whether a wrong answer must not leave."""
        return self._settings.mode == "block"

    @staticmethod
    def refuse_bad(response_format: Mapping[str, Any]) -> None:
        """Raises InvalidRequest for a schema that is none, or costs too much to check."""
        check_schema(response_format)

    async def watch(self, text: str) -> None:
        """Tell of a streamed answer that is wrong, where the rail changes nothing."""
        if self._settings.mode != "block" and (await self._problem(text))[0] is not None:
            self._tell(text)

    async def mend(self, answer: Chunk) -> bool:
        """Make the answer what was asked for, in place, if that can be had. True where it cannot, and must not leave.

        Calls of tools and refusals stay as they are. Answers of several choices are checked, and not asked for again. A
        rail that only watches changes nothing.
        """
        if self._settings.mode != "block":
            for choice in filter(_is_text, answer.get("choices") or ()):
                await self.watch(content_of(choice))
            return False
        with self._flight.timeline.stage("guard.schema") as attributes:
            return await self._mend(answer, attributes)

    async def refuses(self, answer: Chunk) -> bool:
        """Whether an answer in which the guard has masked something is no longer what was asked for (a number that is
        masked is a string), and must not leave."""
        if self._settings.mode != "block":
            return False
        for choice in filter(_is_text, answer.get("choices") or ()):
            text = content_of(choice)
            if choice.get("finish_reason") != "content_filter" and (await self._problem(text))[0] is not None:
                self._tell(text)
                return True
        return False

    def _tell(self, text: str) -> None:
        told = Verdict("output", self._settings.name, VERSION, self._settings.mode, flagged=True, rule=RULE)
        told = replace(told, score=1.0, end=len(text))
        self._count(told)
        if told.mode != "shadow":
            self._flight.flag(told)

    async def _mend(self, answer: Chunk, attributes: Attributes) -> bool:
        choices = list(filter(_is_text, answer.get("choices") or ()))
        for choice in choices:
            text = content_of(choice)
            wrong, bare = await self._problem(text)
            if wrong is None:
                _put(choice, bare)
                continue
            attributes["sextant.guard.schema"] = "invalid"
            if self._settings.repair and len(choices) == 1 and (mended := await self._repaired(answer, text, wrong)):
                attributes["sextant.guard.schema"] = "repaired"
                _put(choice, mended)
                choice["finish_reason"] = "stop"
                continue
            self._tell(text)
            return True
        return False

    async def _problem(self, text: str) -> tuple[str | None, str]:
        """What is wrong, and the text as it is to be given."""
        try:
            async with asyncio.timeout(self._settings.deadline_ms / 1000):
                # A long answer, or schema, takes its time.
                return await asyncio.to_thread(self._checked, text)
        except (TimeoutError, TooMuchWork, InvalidRequest):
            return (None if self._settings.on_failure == "open" else "It cannot be checked."), text

    def _checked(self, text: str) -> tuple[str | None, str]:
        wrong = problem(text, self._format)
        if wrong is None:
            return None, text
        bare = extracted(text)
        return (None, bare) if bare != text and problem(bare, self._format) is None else (wrong, text)

    async def _repaired(self, answer: Chunk, text: str, wrong: str) -> str | None:
        schema = (self._format.get("json_schema") or {}).get("schema")
        try:
            again = await self._ask(repair_request(self._messages, text, wrong, schema))
        except SextantError:
            return None  # no budget, no room in the context, no model: what there is stays wrong
        _add_usage(answer, again)
        self._flight.transcript.count({**answer, "choices": again.get("choices")})
        if not again.get("choices"):
            return None
        mended = content_of(again["choices"][0])
        still_wrong, bare = await self._problem(mended)
        return bare if still_wrong is None else None


def _is_text(choice: Chunk) -> bool:
    """Whether a choice is to be what was asked for: one that calls tools, however it ends, or refuses, need not."""
    message = choice.get("message") or {}
    is_other = message.get("tool_calls") or message.get("refusal") or choice.get("finish_reason") == "tool_calls"
    return not is_other


def _put(choice: Chunk, text: str) -> None:
    holder, name = (choice["message"], "content") if choice.get("message") else (choice, "text")
    if holder.get(name) != text:
        holder[name] = text
        choice["logprobs"] = None  # they are of another text


def _add_usage(answer: Chunk, again: Mapping[str, Any]) -> None:
    """Both answers were made for this request."""
    answer["usage"] = _sum(answer.get("usage"), again.get("usage"))
    if "replica_seconds" in again or "replica_seconds" in answer:
        answer["replica_seconds"] = answer.get("replica_seconds", 0.0) + again.get("replica_seconds", 0.0)


def _sum(one: Any, other: Any) -> Any:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return {name: _sum(one.get(name), other.get(name)) for name in {**one, **other}}
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one + other
    return other if one is None else one
