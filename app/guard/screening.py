"""The policy applied: what rails found becomes verdicts, and the texts are masked, dropped or refused."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from app.config.policy import AnyRail, Policy
from app.errors import ClientClosedRequest, SextantError
from app.failures import Failures
from app.guard.engine import TEXT_RAILS, Job, TextRails, is_meant
from app.guard.masking import Masking
from app.guard.output.stream_window import masked as with_masks
from app.guard.rail import ContextRail
from app.guard.spans import apart, placeholder
from app.guard.types import Context, Examined, Finding, GuardPlace, Hit, Screened, Verdict, clean

logger = logging.getLogger(__name__)

ContextKey = tuple[GuardPlace, str]
Speaker = Literal["user", "tool", "other"]
Masks = Literal["numbered", "named", "none"]
Kind = Literal["window", "whole", "watch"]
# Output rails that can say nothing of a part of an answer.
NEEDS_ALL = frozenset("length language groundedness".split())
# How much of a stream the others hold back, in characters, beside a run without white space that still grows: what
# they find may have that many characters behind it that make it another. An IBAN in groups of four has 42 and a name's
# last word must be seen; of a secret only "-----BEGIN RSA PRIVATE KEY-----" has spaces in it.
LOOKAHEAD = {"secrets": 40, "urls": 8, "prompt_leak": 120}
USUAL_LOOKAHEAD = 80
# Asking these costs more, or they need sentences: so many characters at a time.
STRIDES = {"safety_model": 400, "topics": 200, "python": 100, "nemo": 400, "guardrails_ai": 200}
USUAL_STRIDE = 16
WITHHELD = "[The guard has withheld this tool result.]"


@dataclass(frozen=True, slots=True)
class Spoken:
    """A text of a request, and whose it is: the user's, a tool's, or somebody else's (the developer's, the model's)."""

    text: str
    by: Speaker = "user"


@dataclass(frozen=True, slots=True)
class _Looked:
    """A rail's settings, what it said, and about which texts."""

    place: GuardPlace
    settings: AnyRail
    examined: Examined
    texts: tuple[int, ...]


def context_key(place: GuardPlace, settings: AnyRail) -> ContextKey:
    """Under which a context rail is found: the same rail may be another at another place."""
    return place, repr(settings)


@dataclass(frozen=True, slots=True)
class Answered:
    """What output rails hold of a text: `hits` are to be masked in it, in reading order and apart from each other. What
    follows may make a hit of what stands from `open_since` on, the text's length where nothing does."""

    hits: list[Hit]
    screened: Screened
    open_since: int = 0


def output_kind(settings: AnyRail) -> Kind:
    """How an output rail meets a stream: `window` enforces on what is about to leave, `whole` enforces and needs all of
    the answer, `watch` changes nothing and looks at the end."""
    if not settings.enforces:
        return "watch"
    return "whole" if settings.rail in NEEDS_ALL else "window"


@dataclass(slots=True)
class Screening:
    """Asks the rails, and judges. `context_rails` are asked here; `on_verdict` counts."""

    policies: Mapping[str, Policy]
    text_rails: TextRails
    context_rails: Mapping[ContextKey, ContextRail]
    on_verdict: Callable[[Verdict], None] = lambda verdict: None
    failures: Failures = field(default_factory=lambda: Failures(logger, "context rails of the guard"))

    async def request(self, policy: str, spoken: Sequence[Spoken], known: Mapping[str, str] | None = None) -> Screened:
        """What users and tools wrote. Rails that mask read all texts of a request, others only those of their place.

        What a blocking rail finds in a tool's result costs that result, not the request. Rails that need more than the
        texts are not asked here: see `slow`. `known`: the vault of the conversation that the request goes on.
        """
        texts = [each.text for each in spoken]
        by_tool = [i for i, each in enumerate(spoken) if each.by == "tool"]
        by_user = [i for i, each in enumerate(spoken) if each.by == "user"]
        rest = [i for i, each in enumerate(spoken) if each.by != "tool"]
        looked = await self._look(
            policy,
            [
                (Job("input", tuple(texts[i] for i in rest), "masking"), rest),
                (Job("input", tuple(texts[i] for i in by_user), "others"), by_user),
                (Job("tool_result", tuple(texts[i] for i in by_tool)), by_tool),
            ],
        )
        if by_tool:
            around = await self._look_around(policy, "tool_result", [texts[i] for i in by_tool], Context(), by_tool)
            looked += around
        return self._screened(texts, looked, known=known)

    async def slow(self, policy: str, place: GuardPlace, texts: Sequence[str], context: Context) -> Screened:
        """The rails of a place that need a model, or what stands around the texts."""
        looked = await self._look_around(policy, place, texts, context)
        return self._screened(texts, looked)

    async def passages(self, policy: str, texts: Sequence[str]) -> Screened:
        """Passages of the knowledge base: `dropped` names those that do not go into the prompt. Every text is judged by
        itself. What is masked in them is named, not numbered: nobody gives it back."""
        fast, slow = await asyncio.gather(
            self._look(policy, [(Job("retrieved", tuple(texts)), range(len(texts)))]),
            self._look_around(policy, "retrieved", texts, Context()),
        )
        return self._screened(texts, [*fast, *slow], masks="named")

    async def output(
        self, policy: str, text: str, context: Context, kinds: Sequence[Kind], *, without: Collection[str] = ()
    ) -> Answered:
        """A text of an answer, or the part of it that a window shows, before the output rails of these kinds. Who asks
        counts the verdicts: the same is met again with each window."""
        rails = [
            settings
            for settings in self.policies[policy].at("output")
            if output_kind(settings) in kinds and settings.name not in without
        ]
        fast = [settings.name for settings in rails if settings.rail in TEXT_RAILS]
        slow = [settings for settings in rails if self._is_slow(settings)]
        texts, looked = (text,), list[_Looked]()
        if fast:
            looked += await self._look(policy, [(Job("output", texts, names=tuple(fast)), (0,))])
        if slow:
            answers = await asyncio.gather(*(self._ask("output", settings, texts, context) for settings in slow))
            looked += [_Looked("output", s, examined, (0,)) for s, examined in zip(slow, answers, strict=True)]
        screened = self._screened(texts, looked, masks="none")
        hits, open_since = [], len(text)
        for each in looked:
            for hit in each.examined.hits[0] if each.examined.hits else ():
                if hit.score >= each.settings.threshold:
                    hits += [hit] if each.settings.mode == "mask" else []
                elif each.settings.enforces and hit.end >= len(text.rstrip()):
                    open_since = min(open_since, hit.start)
        return Answered(apart(hits), screened, open_since)

    async def each(
        self, policy: str, place: GuardPlace, texts: Sequence[str], context: Context
    ) -> list[list[tuple[AnyRail, Examined]]]:
        """What every rail of a place says of each text by itself, in the policy's order, before the policy is applied.
        For explanations: see `app.guard.explain`."""
        rails = self.policies[policy].at(place)
        jobs = [(Job(place, (text,)), (index,)) for index, text in enumerate(texts)]
        # json_schema is no rail by itself, so it has nothing to say here.
        others = [(i, rail) for i in range(len(texts)) for rail in rails if self._is_slow(rail)]
        looked, asked = await asyncio.gather(
            self._look(policy, jobs),
            asyncio.gather(*(self._ask(place, rail, [texts[i]], context) for i, rail in others)),
        )
        found = {(one.texts[0], one.settings.name): one.examined for one in looked}
        found |= {(i, rail.name): examined for (i, rail), examined in zip(others, asked, strict=True)}
        none = Examined("", "", hits=((),))
        return [[(rail, found.get((i, rail.name), none)) for rail in rails] for i in range(len(texts))]

    def pace(self, policy: str) -> tuple[int, int]:
        """Look-ahead and stride of the windows that a policy's output rails look through, in characters."""
        rails = [each.rail for each in self.policies[policy].at("output") if output_kind(each) == "window"]
        lookahead = max((LOOKAHEAD.get(rail, USUAL_LOOKAHEAD) for rail in rails), default=0)
        return lookahead, max((STRIDES.get(rail, USUAL_STRIDE) for rail in rails), default=USUAL_STRIDE)

    def kinds(self, policy: str) -> frozenset[Kind]:
        """Which kinds of output rails a policy has, but for the one that asks again."""
        rails = [settings for settings in self.policies[policy].at("output") if settings.rail != "json_schema"]
        return frozenset(output_kind(settings) for settings in rails)

    def has_rails(self, policy: str, place: GuardPlace, *, slow: bool | None = None) -> bool:
        """Whether there are any; `slow`: of those that `slow` asks, or of the others."""
        rails = self.policies[policy].at(place)
        return any(slow is None or slow == self._is_slow(settings) for settings in rails)

    def _is_slow(self, settings: AnyRail) -> bool:
        return settings.rail not in TEXT_RAILS and settings.rail != "json_schema"

    async def _look(self, policy: str, jobs: Sequence[tuple[Job, Sequence[int]]]) -> list[_Looked]:
        wanted = [
            (job, indexes, [s for s in self.policies[policy].at(job.place) if self._is_for(s, job)])
            for job, indexes in jobs
            if job.texts
        ]
        wanted = [(job, indexes, rails) for job, indexes, rails in wanted if rails]
        if not wanted:
            return []
        started = time.perf_counter()
        try:
            found = await self.text_rails.examine(policy, [job for job, _, _ in wanted])
        except ClientClosedRequest:
            raise  # nobody is there to be refused
        except SextantError as error:
            spent = round((time.perf_counter() - started) * 1000, 3)
            found = [
                [Examined(s.name, "", latency_ms=spent, failure=error.code) for s in rails] for _, _, rails in wanted
            ]
        return [
            _Looked(job.place, settings, examined, tuple(indexes))
            for (job, indexes, rails), answers in zip(wanted, found, strict=True)
            for settings, examined in zip(rails, answers, strict=True)
        ]

    def _is_for(self, settings: AnyRail, job: Job) -> bool:
        return settings.rail in TEXT_RAILS and is_meant(settings, job)

    async def _look_around(
        self,
        policy: str,
        place: GuardPlace,
        texts: Sequence[str],
        context: Context,
        indexes: Sequence[int] | None = None,
    ) -> list[_Looked]:
        rails = [settings for settings in self.policies[policy].at(place) if self._is_slow(settings)]
        answers = await asyncio.gather(*(self._ask(place, settings, texts, context) for settings in rails))
        where = tuple(range(len(texts)) if indexes is None else indexes)
        return [_Looked(place, settings, examined, where) for settings, examined in zip(rails, answers, strict=True)]

    async def _ask(self, place: GuardPlace, settings: AnyRail, texts: Sequence[str], context: Context) -> Examined:
        rail = self.context_rails.get(context_key(place, settings))
        if rail is None:
            return Examined(settings.name, "", failure="missing")
        started, hits, failure = time.perf_counter(), [], ""
        try:
            async with asyncio.timeout(settings.deadline_ms / 1000):
                hits = await rail.examine(texts, context)
                if len(hits) != len(texts):
                    raise ValueError("not one answer for each text")
        except TimeoutError:
            failure = "timeout"
        except Exception as error:
            self.failures.note(error)
            hits, failure = [], "error"
        spent = round((time.perf_counter() - started) * 1000, 3)
        cleaned = tuple(tuple(map(clean, each)) for each in hits)
        return Examined(settings.name, rail.version, cleaned, spent, failure)

    def _screened(
        self,
        texts: Sequence[str],
        looked: Sequence[_Looked],
        *,
        masks: Literal["numbered", "named", "none"] = "numbered",
        known: Mapping[str, str] | None = None,
    ) -> Screened:
        verdicts: list[Verdict] = []
        blocked: Verdict | None = None
        dropped: set[int] = set()
        spans: dict[int, list[Hit]] = {}
        failed_open = False
        for each in looked:
            verdict = verdict_of(each.place, each.settings, each.examined, each.texts)
            verdicts.append(verdict)
            if masks != "none":
                self.on_verdict(verdict)
            settings, place = each.settings, each.place
            if verdict.failure:
                if settings.enforces and settings.on_failure == "closed":
                    if place in ("tool_result", "retrieved"):
                        dropped.update(each.texts)
                    else:
                        blocked = blocked or verdict
                elif settings.enforces:
                    failed_open = True
                continue
            for index, hits in zip(each.texts, each.examined.hits, strict=True):
                counted = [hit for hit in hits if hit.score >= settings.threshold]
                if settings.mode == "mask":
                    spans.setdefault(index, []).extend(counted)
                elif settings.mode == "block" and counted:
                    if place in ("tool_result", "retrieved"):
                        dropped.add(index)
                    else:
                        blocked = blocked or verdict
        masked, findings = list(texts), list[Finding]()
        masking = Masking(texts, known)
        for index in sorted(spans) if masks != "none" else ():
            if index in dropped:
                continue
            if masks == "named":
                masked[index] = with_masks(texts[index], apart(spans[index]), placeholder)
                continue
            masked[index], found = masking.mask(texts[index], spans[index], index)
            findings += found
        return Screened(
            texts=tuple(WITHHELD if index in dropped else text for index, text in enumerate(masked)),
            vault=masking.vault,
            findings=tuple(findings),
            verdicts=tuple(verdicts),
            blocked=blocked,
            dropped=tuple(sorted(dropped)),
            failed_open=failed_open,
        )


def verdict_of(place: GuardPlace, settings: AnyRail, examined: Examined, texts: Sequence[int] = (0,)) -> Verdict:
    """The strongest hit of what a rail said of these texts (their indexes), and whether it counts."""
    best: tuple[int, Hit] | None = None
    for index, hits in zip(texts, examined.hits, strict=False):
        for hit in hits:
            if best is None or hit.score > best[1].score:
                best = index, hit
    verdict = Verdict(
        place,
        settings.name,
        examined.version,
        settings.mode,
        latency_ms=examined.latency_ms,
        failure=examined.failure,
    )
    if best is None or examined.failure:
        return verdict
    index, hit = best
    return replace(
        verdict,
        flagged=hit.score >= settings.threshold,
        rule=hit.rule,
        score=round(hit.score, 4),
        text=index,
        start=hit.start,
        end=hit.end,
    )
