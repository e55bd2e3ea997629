"""What one request remembers: gathered on its way in, woven into its prompt, kept and digested on its way out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.guard.spotlight import Style, spotlight
from app.memory.fit import Window, newest
from app.memory.items import messages_of, paired
from app.memory.notes import FACTS, SUMMARY, TURNS, note, together, transcript
from app.memory.tokens import OF_A_MESSAGE, estimate, estimate_message
from app.memory.types import Conversation, Item, Message, Owner, Turn

SHARE = 4  # a fourth of the room at most for facts, and for older turns like the question


@dataclass(slots=True)
class Recall:
    """`owner` names the end user, where one is known; `reach`: whose conversations may be gone on with. `found`: the
    conversation's vault as it was found; `vault`: with what has been masked in its texts since."""

    owner: Owner
    reach: Owner
    window: Window
    model: str  # whose tokenizer's counts are exact
    since_ms: int
    conversation: Conversation | None = None
    with_facts: bool = False
    found: Mapping[str, str] = field(default_factory=dict)
    vault: Mapping[str, str] = field(default_factory=dict)
    pinned: Sequence[Item] = ()
    turns: Sequence[Turn] = ()  # the newest ones, more than fit
    asked: Sequence[Message] = ()  # the request's own turn, masked
    facts: Sequence[str] = ()
    earlier: Sequence[Turn] = ()
    room: int = 0  # tokens that history has beside a short turn
    answer: Message | None = None  # masked

    @property
    def before(self) -> list[Message]:
        """What was said before the request's turn, masked: more than its prompt will hold. For whoever must know what a
        question is about."""
        return messages_of(item for turn in self.turns for item in turn.items)

    @property
    def wants_vector(self) -> bool:
        """Whether anything is looked for by similarity."""
        return self.with_facts or (self.conversation is not None and self.conversation.summary_upto > 0)

    def kept(self, room: int) -> list[Turn]:
        """The newest turns that fit. The last one in any case, where the request answers its tool calls."""
        kept = newest(self.turns, room, self.model)
        if not kept and self.turns and self.asked and self.asked[0]["role"] == "tool":
            return [self.turns[-1]]
        return kept

    def woven(self, room: int, style: Style, spotlights_tools: bool) -> tuple[str, list[Message]]:
        """What goes into a prompt that has so many tokens left: notes for its system message, and earlier turns."""
        pinned = [message["content"] for message in messages_of(self.pinned)]
        room -= sum(map(estimate, pinned))
        if self.conversation is not None:
            # Of this turn's length nothing follows for the next one: what is too old is not judged by it.
            self.room = max(0, room + total(self.asked))
        notes = self._bounded(FACTS, [f"- {fact}" for fact in self.facts], style, max(0, room) // SHARE)
        room -= _tokens(notes)
        kept = self.kept(room)
        if self._is_left_out(kept):
            about = self._about_the_rest(kept, room, style)
            kept = self.kept(room - _tokens(about))
            notes = [*about, *notes]
        items = [item for turn in kept for item in turn.items]
        answered = [m["tool_call_id"] for m in self.asked if m["role"] == "tool"]
        messages = messages_of(paired(items, answered))
        if style != "off" and spotlights_tools:
            messages = [
                {**m, "content": spotlight(m["content"], style, "tool_result")} if m["role"] == "tool" else m
                for m in messages
            ]
        return "\n\n".join(text for text in (*pinned, together(notes)) if text), messages

    def _is_left_out(self, kept: Sequence[Turn]) -> bool:
        """Whether there is anything of the conversation that its newest turns do not hold."""
        if self.conversation is None:
            return False
        return len(kept) < len(self.turns) or bool(self.turns and self.turns[0].start > 0)

    def _about_the_rest(self, kept: Sequence[Turn], room: int, style: Style) -> list[str]:
        """Notes on the turns that are not shown: the summary, and those like the question."""
        notes = []
        assert self.conversation is not None
        if self.conversation.summary:
            summary = note(SUMMARY, self.conversation.summary, style)
            if estimate(summary) <= room // 2:
                notes.append(summary)
        shown_from = kept[0].start if kept else self.conversation.next_position
        earlier = [transcript(messages_of(turn.items), 600) for turn in self.earlier if turn.start < shown_from]
        return [*notes, *self._bounded(TURNS, earlier, style, room // SHARE)]

    @staticmethod
    def _bounded(tag: str, texts: Sequence[str], style: Style, room: int) -> list[str]:
        """A note of as many of the texts as fit, the first ones first; none where not even one does."""
        taken: list[str] = []
        for text in texts:
            if estimate(note(tag, "\n".join([*taken, text]), style)) > room:
                break
            taken.append(text)
        return [note(tag, "\n".join(taken), style)] if taken else []


def _tokens(notes: Sequence[str]) -> int:
    return estimate(together(notes)) + OF_A_MESSAGE if notes else 0


def total(messages: Sequence[Message]) -> int:
    """Estimated tokens of messages."""
    return sum(map(estimate_message, messages))
