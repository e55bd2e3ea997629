"""Conversations with long beginnings of their own: assistants, each with a long system prompt, asked several times."""

import random
from dataclasses import dataclass, field

_PLACES = ("harbour", "library", "museum", "hospital", "airport", "market", "theatre", "school", "garden", "station")
_WHO = ("visitors", "members", "guests", "staff", "suppliers", "students", "neighbours", "officials")
_DO = ("must register", "may enter", "have to wait", "are received", "can ask for help", "are asked to leave")
_WHERE = ("at the north door", "in the main hall", "on the second floor", "at the desk", "beside the lift", "outside")
_WHEN = ("before nine", "after noon", "on Mondays", "during holidays", "in the evening", "once a week", "at any time")
_ASK = ("Where do {who} go {when}?", "Who may enter {when}?", "What happens to {who} {where}?", "Who waits {where}?")


@dataclass
class Session:
    """A conversation as far as it has come."""

    number: int
    messages: list[dict[str, str]] = field(default_factory=list)

    @classmethod
    def begin(cls, number: int, rules: int) -> "Session":
        """With a system prompt of so many rules (about 15 tokens each) that no other session has."""
        word = random.Random(f"system {number}")  # noqa: S311 (sentences, no secrets)
        lines = [f"You answer for the {word.choice(_PLACES)} of district {number + 11}, in one short sentence. Rules:"]
        lines += [
            f"{rule}. {word.choice(_WHO).capitalize()} {word.choice(_DO)} {word.choice(_WHERE)} {word.choice(_WHEN)}."
            for rule in range(1, rules + 1)
        ]
        return cls(number, [{"role": "system", "content": "\n".join(lines)}])

    def ask(self, turn: int) -> list[dict[str, str]]:
        """Add the question of a turn; what is to be sent."""
        word = random.Random(f"question {self.number} {turn}")  # noqa: S311
        question = word.choice(_ASK).format(who=word.choice(_WHO), when=word.choice(_WHEN), where=word.choice(_WHERE))
        self.messages.append({"role": "user", "content": question})
        return self.messages

    def hear(self, answer: str) -> None:
        """Add what was answered."""
        self.messages.append({"role": "assistant", "content": answer or "..."})
