"""What of a conversation goes into a prompt: the newest turns that fit, whole ones, and how much room there is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.config.memory import MemoryConfig
from app.memory.tokens import estimate_body
from app.memory.types import Item, Turn
from app.routing.target import Target

MARGIN_TOKENS = 32  # the end of a template, and its beginning


@dataclass(frozen=True, slots=True)
class Window:
    """A model's context, in tokens, and what of it an answer may take."""

    context: int
    answer: int

    @classmethod
    def of(cls, targets: Iterable[Target], body: Mapping[str, Any], config: MemoryConfig) -> "Window":
        """Of the smallest of the models that may come to answer."""
        targets = tuple(targets)
        known = [target.context_window for target in targets if target.context_window]
        context = min(known, default=config.context_tokens)
        wanted = body.get("max_completion_tokens") or body.get("max_tokens")
        if wanted:
            return cls(context, min(wanted, context))
        # A provider is told the most that it may generate, and makes room for it.
        told = [t.max_output_tokens for t in targets if t.max_output_tokens and t.max_output_tokens < context]
        return cls(context, max([min(config.answer_tokens, context // 4), *told]))

    @property
    def prompt(self) -> int:
        """The most that a prompt may have."""
        return max(0, self.context - self.answer - MARGIN_TOKENS)

    def left(self, body: Mapping[str, Any]) -> int:
        """What a request leaves for history; below 0 where it takes more than there is."""
        return self.prompt - estimate_body(body)


def tokens_of(item: Item, model: str) -> int:
    """An item's tokens: as counted by this model's tokenizer, or estimated. Another model's count is no estimate of
    less than a quarter more."""
    if item.counted_by in (None, model):
        return item.tokens
    return -(-item.tokens * 5 // 4)


def turn_tokens(turn: Turn, model: str) -> int:
    """Of all its items."""
    return sum(tokens_of(item, model) for item in turn.items)


def newest(turns: Sequence[Turn], room: int, model: str) -> list[Turn]:
    """The newest turns that fit into so many tokens, in order, without a gap."""
    kept: list[Turn] = []
    for turn in reversed(turns):
        room -= turn_tokens(turn, model)
        if room < 0:
            break
        kept.append(turn)
    return kept[::-1]


def too_old(turns: Sequence[Turn], room: int, begin_at: float, keep: float, model: str, behind: int = 0) -> list[Turn]:
    """The turns to be summarised by now: none, as long as all together take less than `begin_at` of the room; then
    all but the newest that take `keep` of it. `behind`: tokens of still newer ones. None where there is no room: a
    summary would not have any either."""
    total = behind + sum(turn_tokens(turn, model) for turn in turns)
    if room <= 0 or total <= room * begin_at:
        return []
    kept = newest(turns, int(room * keep) - behind, model)
    return list(turns[: len(turns) - len(kept)])
