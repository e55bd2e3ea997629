"""What a call may cost at most, and what a request did cost."""

from dataclasses import dataclass, replace
from typing import Any

import orjson

from app.ledger.pricing import cost_nano, estimate_tokens, prompt_bound, worst_case
from app.pipeline.cache_breakpoints import last_for_an_hour
from app.pipeline.texts import prompt_places
from app.pipeline.transcript import Transcript
from app.routing.target import Target
from app.telemetry.events import Usage

CHARACTERS_PER_TOKEN = 4  # of English, about; a stream's pieces are counted where they are more

# What a rate limit takes for an answer whose length nobody has bounded; it is corrected afterwards.
UNSTATED_OUTPUT_TOKENS = 1024

# For a model of which nothing is known; local ones with a price have a context size.
DEFAULT_OUTPUT_TOKENS = 4096


@dataclass(frozen=True, slots=True)
class Bound:
    """The worst case of one call: tokens as rate limits count them, money as budgets do."""

    tokens: int
    cost_nano: int


@dataclass(frozen=True, slots=True)
class Bill:
    """What was used. `estimated`: the model did not say all of it, so it was counted here."""

    usage: Usage
    cost_nano: int
    estimated: bool


def bound_of(body: dict[str, Any], target: Target, timeout_s: float) -> Bound:
    """The worst case of sending this body to this target.

    Money is bounded strictly (a prompt has no more tokens than bytes). Rate limits take the usual estimate of the
    prompt: a strict bound would be four times what is used, and is corrected afterwards anyway.
    """
    prompts = len(body["prompt"]) if isinstance(body.get("prompt"), list) else 1
    answers = (body.get("n") or 1) * prompts
    output = output_bound(body, target)
    tokens = _estimated_prompt(body) + (output if _wanted(body) else min(output, UNSTATED_OUTPUT_TOKENS)) * answers
    if target.price.is_free:
        return Bound(tokens, 0)  # a strict bound means to write the prompt out once more
    hour = last_for_an_hour(body)
    return Bound(tokens, worst_case(target.price, prompt_bound(body), output, answers, timeout_s, for_an_hour=hour))


def output_bound(body: dict[str, Any], target: Target) -> int:
    """Tokens that one answer can have."""
    wanted = _wanted(body)
    most = target.max_output_tokens or target.context_window
    if most is None:
        return wanted or DEFAULT_OUTPUT_TOKENS
    return min(wanted, most) if wanted else most


def _wanted(body: dict[str, Any]) -> int | None:
    return body.get("max_completion_tokens") or body.get("max_tokens")


def bill_of(
    body: dict[str, Any], target: Target, transcript: Transcript, *, replica_seconds: float | None = None
) -> Bill:
    """What this target is owed for what it has said so far, at its end or at any moment before.

    `replica_seconds` replaces the model deployment's own count, where that did not arrive.
    """
    usage, estimated = transcript.usage, False
    if not transcript.is_counted:
        estimated = True
        generated = max(len(transcript.generated), sum(map(len, transcript.generated)) // CHARACTERS_PER_TOKEN)
        prompt = transcript.usage if transcript.is_prompt_counted else Usage(_estimated_prompt(body))
        usage = replace(prompt, completion_tokens=generated)
    cost = cost_nano(
        target.price,
        usage.prompt_tokens,
        usage.cached_tokens,
        usage.completion_tokens,
        transcript.replica_seconds if replica_seconds is None else replica_seconds,
        written_tokens=usage.written_tokens,
        written_1h_tokens=usage.written_1h_tokens,
    )
    return Bill(usage, cost, estimated)


def _estimated_prompt(body: dict[str, Any]) -> int:
    texts = [text for place in prompt_places(body) for text in place.read()]
    texts += [orjson.dumps(body[name]).decode() for name in ("tools", "response_format") if body.get(name)]
    return sum(map(estimate_tokens, texts))
