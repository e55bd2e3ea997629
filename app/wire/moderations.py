"""`POST /v1/moderations`: request and answer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from app.config.policy import GuardPlace
from app.wire.base import Name, Text, Wire
from app.wire.moderation_categories import OPENAI, openai_categories
from app.wire.unsupported import kind, told_by_type

if TYPE_CHECKING:  # it brings the rails' engine along, and bodies are read where there is none
    from app.guard.explain import Explained, Judged

MAX_INPUTS = 64  # a safety model is asked once for each


class ModerationText(Wire):
    """A part of an input."""

    type: Literal["text"]
    text: Text


Part = Annotated[
    Annotated[ModerationText, kind("text")],
    told_by_type("only parts of type text are read here; no rail can see images"),
]


def _branch(value: object) -> str:
    """By the first item, so that an error is about the branch that was meant."""
    if not isinstance(value, list):
        return "[text]"
    return "[parts]" if value and isinstance(value[0], dict) else "[texts]"


Input = Annotated[
    Annotated[Text, Tag("[text]")]
    | Annotated[list[Text], Field(min_length=1, max_length=MAX_INPUTS, fail_fast=True), Tag("[texts]")]
    | Annotated[list[Part], Field(min_length=1, max_length=MAX_INPUTS, fail_fast=True), Tag("[parts]")],
    Discriminator(_branch),
]


class ModerationExtension(Wire):
    """`place`: as what the texts are judged. Each place has rails of its own."""

    place: GuardPlace = "input"


class ModerationRequest(Wire):
    """A moderation request. `model` may be anything that clients of OpenAI send: the policy answers, whatever it is."""

    input: Input
    model: Name | None = None
    sextant: ModerationExtension = ModerationExtension()

    @property
    def inputs(self) -> list[str]:
        """The texts; each gets a result. Parts are one input, as they are at OpenAI."""
        if isinstance(self.input, str):
            return [self.input]
        texts = [item for item in self.input if isinstance(item, str)]
        return texts or ["\n".join(part.text for part in self.input if isinstance(part, ModerationText))]


def moderation_answer(
    answer_id: str, model: str, about: dict[str, Any], results: "Sequence[Explained]"
) -> dict[str, Any]:
    """OpenAI's answer. `about`: what the policy is, for `sextant`."""
    return {
        "id": f"modr-{answer_id}",
        "model": model,
        "results": [_result(one) for one in results],
        "sextant": about,
    }


def _result(one: "Explained") -> dict[str, Any]:
    told = [each for each in one.judged if each.is_told]
    flagged, scores = dict.fromkeys(OPENAI, False), dict.fromkeys(OPENAI, 0.0)
    for each in told:
        for hit in each.hits if each.settings.rail == "safety_model" else ():
            for category in openai_categories(hit.rule):
                scores[category] = max(scores[category], round(hit.score, 4))
                flagged[category] = flagged[category] or hit.score >= each.settings.threshold
        flagged[f"sextant/{each.verdict.rail}"] = each.verdict.flagged
        scores[f"sextant/{each.verdict.rail}"] = each.verdict.score
    return {
        "flagged": one.flagged,
        "categories": flagged,
        "category_scores": scores,
        "category_applied_input_types": {category: ["text"] for category in flagged},
        "sextant": {
            "verdicts": [verdict_wire(each) for each in told],
            "masked": one.masked,
            "spans": spans_wire(one),
        },
    }


def verdict_wire(each: "Judged") -> dict[str, Any]:
    """A rail's verdict as JSON. Positions are characters of the text; `failure` is null where the rail answered."""
    verdict = each.verdict
    return {
        "rail": verdict.rail,
        "rule": verdict.rule,
        "flagged": verdict.flagged,
        "score": verdict.score,
        "threshold": each.settings.threshold,
        "mode": verdict.mode,
        "start": verdict.start,
        "end": verdict.end,
        "version": verdict.version,
        "latency_ms": verdict.latency_ms,
        "failure": verdict.failure or None,
    }


def spans_wire(one: "Explained") -> list[dict[str, Any]]:
    """What is masked, as JSON."""
    return [{"type": span.entity, "start": span.start, "end": span.end, "score": span.score} for span in one.spans]
