"""How often a cache answers, and how often wrongly: one labelled stream, one request after the other."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from app.interval import wilson
from benchmarks.cache.questions import Ask, Kind, answer_to
from benchmarks.errors import BenchmarkFailed
from benchmarks.gateway.targets import Target

_TIMEOUT_S = 30.0
_Count = tuple[int, int]


@dataclass(frozen=True)
class Quality:
    """What one cache made of the stream. Counts are (hits, requests) but for `wrong`, which is (wrong, hits)."""

    target: str
    near_repeats: _Count
    paraphrases: _Count
    traps: _Count
    wrong: _Count
    wrong_interval: tuple[float, float]  # 95%
    wrong_by_trap: dict[str, int]  # by what the traps among them change; "" for what was no trap
    unlabelled: int  # hits of a trap with the answer of another trap of its group, which nobody has labelled


@dataclass(frozen=True)
class Outcome:
    """One request: who was served whose answer."""

    ask: Ask
    tier: str  # what the target's header says
    served_intent: str | None  # None: an answer that belongs to no question of the stream


def is_hit(tier: str) -> bool:
    """Whether this is what a cache says of its own answers. LiteLLM's header is there only then."""
    return tier not in {"", "miss", "bypass"}


def run_stream(target: Target, tier_header: str, provider_url: str, asks: Sequence[Ask]) -> list[Outcome]:
    """Send the stream. Raises BenchmarkFailed when a request fails.

    The provider is told the right answer to each, as it would know it from the words.
    """
    intents = {answer_to(ask.intent): ask.intent for ask in asks}
    outcomes = []
    with httpx.Client(timeout=_TIMEOUT_S) as client:
        for ask in asks:
            client.post(f"{provider_url}/next", json={"answer": answer_to(ask.intent)})
            body = {
                "model": target.model,
                "messages": [{"role": "user", "content": ask.text}],
                "max_tokens": 64,
                "temperature": 0,
            }
            response = client.post(target.url, json=body, headers=dict(target.headers))
            if response.status_code != 200:
                raise BenchmarkFailed(f"{target.name}: {response.status_code} {response.text[:300]}")
            text = response.json()["choices"][0]["message"]["content"]
            outcomes.append(Outcome(ask, response.headers.get(tier_header, ""), intents.get(text)))
    return outcomes


def assess(target: str, outcomes: Sequence[Outcome]) -> Quality:
    """Count. The first questions of the groups fill the cache; they are counted where they hit, which is an error."""
    asked: Counter[Kind] = Counter(each.ask.kind for each in outcomes)
    hits = [each for each in outcomes if is_hit(each.tier)]
    unlabelled = [each for each in hits if _is_unlabelled(each)]
    labelled = [each for each in hits if not _is_unlabelled(each)]
    wrong = [each for each in labelled if each.served_intent != each.ask.intent]
    hit: Counter[Kind] = Counter(each.ask.kind for each in hits)
    return Quality(
        target=target,
        near_repeats=(hit["near repeat"], asked["near repeat"]),
        paraphrases=(hit["paraphrase"], asked["paraphrase"]),
        traps=(hit["trap"], asked["trap"]),
        wrong=(len(wrong), len(labelled)),
        wrong_interval=wilson(len(wrong), len(labelled)),
        wrong_by_trap=dict(Counter(each.ask.trap for each in wrong).most_common()),
        unlabelled=len(unlabelled),
    )


def _is_unlabelled(outcome: Outcome) -> bool:
    served, own = outcome.served_intent, outcome.ask.intent
    if served is None or served == own or "#" not in served or "#" not in own:
        return False
    return served.partition("#")[0] == outcome.ask.group
