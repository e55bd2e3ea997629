"""What the rails of a place hold of single texts, in full: for `POST /v1/moderations` and `sextant guard test`.

The rails, their deadlines and thresholds, and the masking are those of live requests. Only the policy's consequences
are left to the reader: nothing is refused or dropped here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.config.policy import AnyRail, GuardPlace
from app.guard.masking import Masking
from app.guard.screening import Screening, verdict_of
from app.guard.types import Context, Examined, Finding, Hit, Verdict

# So much is under way at a time. A rail fills its batches with it, and still comes to the last of them long before its
# deadline (2 s): personal data takes about 9 ms for 1,000 characters.
TEXTS_AT_ONCE = 64
CHARACTERS_AT_ONCE = 20_000


@dataclass(frozen=True, slots=True)
class Judged:
    """One rail's verdict of one text, and what it is drawn from: `hits` are all it found, whatever their score."""

    settings: AnyRail
    verdict: Verdict
    hits: tuple[Hit, ...]

    @property
    def is_told(self) -> bool:
        """Whether clients hear of it: of a rail in the mode `shadow` only the trace does."""
        return self.settings.mode != "shadow"

    @property
    def counts(self) -> bool:
        """Whether a request would be refused, changed or marked by it."""
        return self.verdict.flagged and self.is_told

    @property
    def is_unanswered(self) -> bool:
        """Whether a request would be refused because the rail failed."""
        return bool(self.verdict.failure) and self.settings.enforces and self.settings.on_failure == "closed"


@dataclass(frozen=True, slots=True)
class Explained:
    """One text. `spans` are positions in the text itself, in reading order and apart from each other."""

    judged: tuple[Judged, ...]  # in the policy's order
    masked: str | None  # None: a rail that masks has failed, so that nobody knows what is to be masked
    spans: tuple[Finding, ...]

    @property
    def flagged(self) -> bool:
        """Whether any rail that is more than a shadow flags it."""
        return any(each.counts for each in self.judged)

    @property
    def failed(self) -> tuple[Verdict, ...]:
        """Verdicts of rails that failed and would refuse a request for that."""
        return tuple(each.verdict for each in self.judged if each.is_unanswered)


async def explain(
    screening: Screening, policy: str, place: GuardPlace, texts: Sequence[str], context: Context | None = None
) -> list[Explained]:
    """What the rails of a place hold of each text by itself. Raises ClientClosedRequest; rails that fail say so in
    their verdicts."""
    explained: list[Explained] = []
    for some in slices(texts):
        answers = await screening.each(policy, place, some, context or Context())
        explained += [_explained(place, text, answer) for text, answer in zip(some, answers, strict=True)]
    for one in explained:
        for each in one.judged:
            screening.on_verdict(each.verdict)
    return explained


def slices(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Texts in portions that rails can examine together; a long text is one by itself."""
    start = characters = 0
    for index, text in enumerate(texts):
        is_full = index - start == TEXTS_AT_ONCE or characters + len(text) > CHARACTERS_AT_ONCE
        if is_full and index > start:
            yield texts[start:index]
            start, characters = index, 0
        characters += len(text)
    if start < len(texts):
        yield texts[start:]


def _explained(place: GuardPlace, text: str, answers: Sequence[tuple[AnyRail, Examined]]) -> Explained:
    judged = tuple(
        Judged(settings, verdict_of(place, settings, one), one.hits[0] if one.hits and not one.failure else ())
        for settings, one in answers
    )
    masking = [each for each in judged if each.settings.mode == "mask"]
    hits = [hit for each in masking for hit in each.hits if hit.score >= each.settings.threshold]
    masked, spans = Masking([text]).mask(text, hits)
    has_failed = any(each.verdict.failure for each in masking)
    return Explained(judged, None if has_failed else masked, tuple(spans))
