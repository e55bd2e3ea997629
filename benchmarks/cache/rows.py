"""Who takes part, and the rows: what each is asked so that its answers come from where the row says."""

import itertools
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

from benchmarks.cache.measure import Way
from benchmarks.cache.quality import is_hit, run_stream
from benchmarks.cache.questions import Ask, Group, variants
from benchmarks.cache.summary import NOOP
from benchmarks.errors import BenchmarkFailed
from benchmarks.gateway.prompts import Size, prompt
from benchmarks.gateway.targets import Target

_SEED = 4
_LEAST_POOL = 20  # paraphrases; with fewer the row would be about a handful of texts
_LESSON, _MOST_LESSONS, _LEARNED = 100, 20, 0.7  # requests, how often, share of hits
SEMANTIC, OPEN = "sextant semantic hit", "sextant semantic hit, no guard"
NEW = "sextant semantic hit, new words, no guard"
_OPEN_MODEL = "bench-open"  # an alias of stack.yaml
MISS, OFF = "sextant miss, streamed", "sextant cache off, streamed"
OVER = {MISS: OFF, OFF: NOOP}


@dataclass(frozen=True)
class Peer:
    """A cache under test."""

    target: Target
    tier_header: str  # on a hit it is there, and does not say "miss" or "bypass"
    is_semantic: bool
    is_timed: bool = True  # otherwise it is only asked how often it is wrong


def build_ways(
    groups: Sequence[Group],
    unasked: Sequence[Group],
    provider_url: str,
    peers: Sequence[Peer],
    sextant: Target | None,
    noop: Target | None,
) -> list[Way]:
    """The rows. Fills the caches with the groups' questions first. `unasked`: whose paraphrases are asked once each, so
    that nothing of them is known. Raises BenchmarkFailed."""
    questions = [group.question for group in groups]
    repeats = [ask for group in groups for ask in group.paraphrases]
    own = Peer(sextant, "x-sextant-cache", True) if sextant else None
    for peer in (*([own] if own else []), *peers):
        run_stream(peer.target, peer.tier_header, provider_url, questions)
    pool = [ask.text for ask in repeats]
    if own:
        accepted = _accepted(own, provider_url, repeats)
        _teach(own, provider_url, accepted)
        pool = [ask.text for ask in accepted]
        everything = [*questions, *(group.question for group in unasked)]
        run_stream(replace(own.target, model=_OPEN_MODEL), own.tier_header, provider_url, everything)
    texts = [ask.text for ask in questions]
    ways = []
    if noop:
        ways.append(Way(NOOP, noop, itertools.cycle(texts), lambda _: True))
    if sextant:
        unguarded = replace(sextant, model=_OPEN_MODEL)
        new = (ask.text for group in unasked for ask in group.paraphrases)
        ways += [
            Way("sextant exact hit", sextant, itertools.cycle(texts), lambda tier: tier == "exact"),
            Way(SEMANTIC, sextant, variants(pool, _SEED), lambda tier: tier == "semantic"),
            Way(OPEN, unguarded, variants(pool, _SEED + 2), lambda tier: tier == "semantic"),
            Way(NEW, unguarded, new, lambda tier: tier == "semantic", one_client=True),
            Way(MISS, sextant, _unseen(), lambda tier: tier == "miss", stream=True),
            Way(
                OFF,
                sextant,
                _unseen(),
                lambda tier: tier == "bypass",
                stream=True,
                extra={"sextant": {"cache": {"read": False, "write": False}}},
            ),
        ]
    for peer in peers:
        kind = "semantic hit" if peer.is_semantic else "exact hit"
        asked = variants(pool, _SEED) if peer.is_semantic else itertools.cycle(texts)
        ways.append(Way(f"{peer.target.name} {kind}", peer.target, asked, is_hit, peer.tier_header))
    return ways


def _accepted(own: Peer, provider_url: str, asks: Sequence[Ask]) -> list[Ask]:
    """The paraphrases that are semantic hits. What is not is an exact entry from here on, and not asked again."""
    outcomes = run_stream(own.target, own.tier_header, provider_url, asks)
    pool = [outcome.ask for outcome in outcomes if outcome.tier == "semantic"]
    if len(pool) < _LEAST_POOL:
        raise BenchmarkFailed(f"only {len(pool)} of {len(asks)} paraphrases were semantic hits: is the tier on?")
    return pool


def _teach(own: Peer, provider_url: str, pool: Sequence[Ask]) -> None:
    """Ask in frames of their own until most are hits: a tenant begins without labels, and is served little by them."""
    framed = [replace(ask, text=text) for ask in pool for text in variants([ask.text], _SEED + 1)]
    Random(_SEED).shuffle(framed)  # noqa: S311 (an order, not a secret)
    for start in range(0, min(len(framed), _MOST_LESSONS * _LESSON), _LESSON):
        lesson = framed[start : start + _LESSON]
        outcomes = run_stream(own.target, own.tier_header, provider_url, lesson)
        if sum(outcome.tier == "semantic" for outcome in outcomes) >= _LEARNED * len(lesson):
            return


def _unseen() -> Iterator[str]:
    """Texts that nobody has asked, one after the other."""
    run, chance = secrets.token_hex(2), Random(_SEED)  # noqa: S311 (words, not secrets)
    for number in itertools.count():
        yield prompt(run, number, Size.SHORT, chance)
