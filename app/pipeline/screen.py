"""The guard as the pipeline uses it: the policy in force found, verdicts told to the trace, refusals raised."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TypeVar

from app.config import GuardConfig
from app.config.policy import JsonSchemaSettings, PromptLeakSettings
from app.errors import BlockedByGuard, InvalidRequest, Unavailable
from app.guard.output.canary import canary, instructed
from app.guard.screening import Screening, Spoken
from app.guard.spotlight import Style
from app.guard.types import Context, GuardPlace, Screened, Verdict
from app.pipeline.draft import Draft
from app.pipeline.flight import Flight
from app.pipeline.json_answers import wants_json
from app.pipeline.route import Route
from app.pipeline.schema import SchemaCheck
from app.retrieval.types import Passage
from app.telemetry.events import Attributes

T = TypeVar("T")

# What a text costs beside its characters, in characters; a conversation has some for nothing.
OF_A_TEXT, FREE_TEXTS = 16, 200
PARTED = "\n\n"  # between a passage's names and its text: no name has that, and no value goes over it
MAX_TOLD = 20  # verdicts of a place in the trace


class Guarding:
    """The rails of requests, passages and answers. Without a guard everything passes as it is."""

    def __init__(self, config: GuardConfig, screening: Screening | None, secret: bytes) -> None:
        """`secret`: what canaries are made of."""
        self._config = config
        self._secret = secret
        self.screening = screening

    @property
    def style(self) -> Style:
        """How passages are set apart."""
        return self._config.spotlight if self.screening is not None else "off"

    def count(self, verdict: Verdict) -> None:
        """Count a verdict that was reached elsewhere."""
        if self.screening is not None:
            self.screening.on_verdict(verdict)

    def policy_of(self, flight: Flight, route: Route) -> str:
        """Name of the policy for a request."""
        return self._config.policy_of(flight.caller.tenant, route.alias.guard if route.alias else None)

    def check_length(self, draft: Draft) -> None:
        """Raises InvalidRequest for more text than can be screened in reasonable time."""
        limit = self._config.max_characters
        if self.screening is None:
            return
        texts = draft.texts
        if sum(map(len, texts)) + OF_A_TEXT * max(0, len(texts) - FREE_TEXTS) > limit:
            raise InvalidRequest(f"The request holds more than the {limit:,} characters that are screened.")

    def json_rail(self, draft: Draft, policy: str) -> JsonSchemaSettings | None:
        """The policy's rail for an answer that must be JSON; None where the request wants any other."""
        if self.screening is None or draft.task != "chat" or not wants_json(draft.body.get("response_format")):
            return None
        rails = self.screening.policies[policy].at("output")
        return next((rail for rail in rails if isinstance(rail, JsonSchemaSettings)), None)

    def marked(self, system_prompt: str, policy: str) -> str:
        """An alias's prompt, with the policy's canary in it where it wants one. The same every time: engines and caches
        know prompts by their beginning."""
        rails = self.screening.policies[policy].at("output") if self.screening is not None else ()
        if not any(isinstance(rail, PromptLeakSettings) and rail.canary for rail in rails):
            return system_prompt
        return instructed(system_prompt, canary(self._secret, system_prompt))

    def check_schema(self, draft: Draft, policy: str) -> None:
        """Raises InvalidRequest for a schema that no answer could be held to."""
        if self.json_rail(draft, policy):
            SchemaCheck.refuse_bad(draft.body["response_format"])

    async def request(
        self, spoken: Sequence[Spoken], policy: str, flight: Flight, known: Mapping[str, str] | None = None
    ) -> Screened:
        """A request's texts, masked; `known`: the vault of its conversation.

        Raises BlockedByGuard, and Unavailable where a rail failed and is closed then."""
        if self.screening is None:
            return Screened(tuple(each.text for each in spoken))
        with flight.timeline.stage("guard") as attributes:
            screened = await self.screening.request(policy, spoken, known)
            attributes["sextant.guard.masked"] = len(screened.vault)
            attributes["sextant.guard.entities"] = sorted({f.entity for f in screened.findings})
            tell(attributes, screened.verdicts)
            note(flight, screened)
            enforce(screened)
            return screened

    def begin_slow(self, spoken: Sequence[Spoken], question: str, policy: str, flight: Flight) -> "Clearance | None":
        """Start the input rails that need a model, on the masked texts; the generation may begin meanwhile."""
        if self.screening is None or not self.screening.has_rails(policy, "input", slow=True):
            return None
        texts = [each.text for each in spoken if each.by == "user"]
        return Clearance(self.screening, policy, texts, Context(question=question), flight)

    async def passages(self, found: Sequence[Passage], policy: str, flight: Flight) -> list[Passage]:
        """The passages that may be shown to a model; what is masked in one stays masked."""
        if self.screening is None or not found or not self.screening.has_rails(policy, "retrieved"):
            return list(found)
        with flight.timeline.stage("guard.retrieved") as attributes:
            texts = [_read(passage) for passage in found]
            screened = await self.screening.passages(policy, texts)
            shown = [
                passage if masked == text else _shown(passage, masked)
                for passage, text, masked in zip(found, texts, screened.texts, strict=True)
            ]
            dropped = {*screened.dropped, *(index for index, passage in enumerate(shown) if passage is None)}
            attributes["sextant.guard.dropped"] = [found[index].chunk.document for index in sorted(dropped)]
            tell(attributes, screened.verdicts)
            note(flight, screened)
            if any(verdict.failure for verdict in screened.verdicts):
                flight.failed_open = True  # without passages, or with them unseen: an answer for now, not to be kept
        return [passage for index, passage in enumerate(shown) if passage is not None and index not in dropped]


def _read(passage: Passage) -> str:
    """A passage as rails read it: with its document's name and headings, which a model reads, too. In one text, since a
    heading alone says too little to be judged: of 241 sections of our own documents 16 had one that was refused alone,
    and 1 together with its text."""
    chunk = passage.chunk
    names = (" ".join(name.split()) for name in (chunk.document, chunk.title, chunk.heading))
    return PARTED.join((*names, chunk.text))


def _shown(passage: Passage, masked: str) -> Passage | None:
    """The passage as `_read` gave it and rails have masked it; None where a mask went over a border, or nothing is
    left."""
    parts = masked.split(PARTED, 3)
    if len(parts) < 4:
        return None
    document, title, heading, said = parts
    return replace(passage, chunk=replace(passage.chunk, document=document, title=title, heading=heading, text=said))


class Clearance:
    """Input rails that take their time, under way beside the request.

    `wait` must have returned before any word of an answer leaves. The trace tells how much of their time the
    generation was under way (`saved_ms`), and how long it ran for nothing when they refuse (`wasted_ms`).
    """

    def __init__(
        self, screening: Screening, policy: str, texts: Sequence[str], context: Context, flight: Flight
    ) -> None:
        self._flight = flight
        self._generating_since: float | None = None
        self._ended = 0.0
        self._is_told = False
        self._work = asyncio.ensure_future(self._run(screening, policy, texts, context))

    async def _run(self, screening: Screening, policy: str, texts: Sequence[str], context: Context) -> Screened:
        with self._flight.timeline.stage("guard.slow") as attributes:
            try:
                screened = await screening.slow(policy, "input", texts, context)
            finally:
                self._ended = time.perf_counter()
            tell(attributes, screened.verdicts)
            return screened

    async def gate(self, made: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        """What is generated, none of it before the verdict. A refusal ends the generation."""
        self._generating_since = time.perf_counter()
        async with aclosing(made):
            first = asyncio.ensure_future(anext(made, None))
            try:
                await self.wait()
                part = await first
            except BaseException:
                self.cancel()
                first.cancel()
                await asyncio.wait([first])
                if not first.cancelled():
                    first.exception()  # nobody else may ask for it
                raise
            if part is None:
                return
            yield part
            async for part in made:
                yield part

    async def wait(self) -> None:
        """Raises BlockedByGuard, Unavailable."""
        screened = await asyncio.shield(self._work)
        if not self._is_told:
            self._tell(screened)
        enforce(screened)

    def _tell(self, screened: Screened) -> None:
        self._is_told = True
        attributes = self._flight.attributes
        note(self._flight, screened)
        if self._generating_since is not None:
            attributes["sextant.guard.saved_ms"] = round(max(0.0, self._ended - self._generating_since) * 1000, 1)
            if screened.blocked:
                spent = time.perf_counter() - self._generating_since
                attributes["sextant.guard.wasted_ms"] = round(spent * 1000, 1)

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        self._work.cancel()
        if self._work.done() and not self._work.cancelled():
            self._work.exception()  # nobody else may ask for it


def enforce(screened: Screened) -> None:
    """Raises BlockedByGuard, or Unavailable where what blocks is a rail's failure."""
    verdict = screened.blocked
    if verdict is None:
        return
    if verdict.failure:
        raise Unavailable(f"The guard's rail {verdict.rail!r} failed ({verdict.failure}); try again.", retry_after_s=1)
    raise BlockedByGuard(f"The guard refuses this request: {verdict.name}.", param="messages", rule=verdict.name)


def tell(attributes: Attributes, verdicts: Sequence[Verdict]) -> None:
    """Put verdicts into the trace: rule, score, span, version, latency; and no text."""
    told = [line for verdict in verdicts if (line := _line(verdict))]
    if told:
        attributes["sextant.guard.verdicts"] = told[:MAX_TOLD]


def _line(verdict: Verdict) -> str:
    if verdict.failure:
        return f"{verdict.rail}: failed ({verdict.failure}), {verdict.mode}, {verdict.latency_ms:.1f} ms"
    if not verdict.rule:
        return ""
    state = "flagged" if verdict.flagged else "passed"
    span = f"text {verdict.text} [{verdict.start}:{verdict.end}]"
    return (
        f"{verdict.name}: {state}, {verdict.mode}, {verdict.score:.3f}, {span}, "
        f"version {verdict.version}, {verdict.latency_ms:.1f} ms"
    )


def note(flight: Flight, screened: Screened) -> None:
    """What the client is told of: rails that flag, and those that failed and let the request go on."""
    flight.failed_open = flight.failed_open or screened.failed_open
    for verdict in screened.verdicts:
        if verdict.flagged and verdict.mode == "flag":
            flight.flag(verdict)
        if verdict.failure:
            told = f"{verdict.place}.{verdict.rail}: {verdict.failure}"
            if told not in flight.guard_failures:
                flight.guard_failures.append(told)
            flight.attributes["sextant.guard.failures"] = flight.guard_failures


__all__ = ["Clearance", "GuardPlace", "Guarding", "enforce", "note", "tell"]
