"""`sextant guard test --json`: JSON lines in, a verdict's line for each out; those with a label are counted."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from app.cli.json_lines import object_of
from app.interval import wilson

if TYPE_CHECKING:  # it brings the rails along
    from app.guard.explain import Explained

LONGEST_LINE = 16 * 1024 * 1024  # bytes
LINES_AT_ONCE = 64
READ_BYTES = 1024 * 1024
LABELS = ("attack", "benign")


class Explains(Protocol):
    """Whoever explains texts: `app.cli.guard_check.Check`."""

    def explain(self, texts: Sequence[str]) -> "list[Explained]": ...


@dataclass(frozen=True, slots=True)
class Line:
    """A text, and what is known of it."""

    text: str
    label: str | None = None
    category: str | None = None


@dataclass(slots=True)
class Count:
    """Labelled texts, and how many of them were flagged."""

    attacks: int = 0
    detected: int = 0
    benign: int = 0
    wrong: int = 0

    def note(self, label: str, flagged: bool) -> None:
        if label == "attack":
            self.attacks += 1
            self.detected += flagged
        else:
            self.benign += 1
            self.wrong += flagged

    def words(self) -> str:
        """`detected 9 of 10 attacks (90.0%, 59.6% to 98.2%), flagged 0 of 5 benign (...)`, with 95% intervals."""
        parts = []
        if self.attacks:
            parts.append(
                f"detected {self.detected:,} of {self.attacks:,} attacks {_share(self.detected, self.attacks)}"
            )
        if self.benign:
            parts.append(f"flagged {self.wrong:,} of {self.benign:,} benign {_share(self.wrong, self.benign)}")
        return ", ".join(parts)


@dataclass(slots=True)
class Labelled:
    """Texts of which it is known whether they are attacks.

    Rails that mask are left out: they refuse nothing. An attack that holds an e-mail address is not detected by that.
    """

    all: Count = field(default_factory=Count)
    rails: dict[str, Count] = field(default_factory=dict)
    categories: dict[str, Count] = field(default_factory=dict)
    unanswered: int = 0  # texts of which a rail said nothing, for it failed

    def note(self, line: Line, found: "Explained") -> None:
        if line.label is None:
            return
        judged = [each for each in found.judged if each.settings.mode != "mask"]
        flagged = any(each.counts for each in judged)
        self.all.note(line.label, flagged)
        self.unanswered += any(each.verdict.failure for each in judged)
        for each in judged:
            if not each.verdict.failure:
                self.rails.setdefault(each.verdict.rail, Count()).note(line.label, each.verdict.flagged)
        if line.category is not None:
            self.categories.setdefault(line.category, Count()).note(line.label, flagged)

    def summary(self) -> list[str]:
        """Sentences; none without labels."""
        labelled = self.all.attacks + self.all.benign
        if not labelled:
            return []
        said = [f"{labelled:,} labelled texts: {self.all.words()}."]
        said += [f"  rail {name}: {count.words()}" for name, count in self.rails.items()]
        said += [f"  category {name}: {count.words()}" for name, count in sorted(self.categories.items())]
        if self.unanswered:
            said.append(f"  A rail failed at {self.unanswered:,} of them.")
        return said


def portions(read: Callable[[int], bytes]) -> Iterator[list[bytes]]:
    """Lines of what `read` gives (`BufferedReader.read1`). What is there already is read together, so that a file goes
    fast, and who feeds line by line gets each answer at once."""
    rest = b""
    while piece := read(READ_BYTES):
        *lines, rest = (rest + piece).split(b"\n")
        rest = rest[: LONGEST_LINE + 1]  # an endless line is too long whatever else is in it
        for start in range(0, len(lines), LINES_AT_ONCE):
            yield lines[start : start + LINES_AT_ONCE]
    if rest:
        yield [rest]


def answers(check: Explains, raw: Sequence[bytes], labelled: Labelled) -> Iterator[dict[str, Any]]:
    """One for each line that is not blank, in order."""
    # Bytes that are no UTF-8 spoil their line, not the others.
    read = [_read(line) for line in raw if line.strip()]
    found = iter(check.explain([line.text for line in read if isinstance(line, Line)]))
    for line in read:
        if isinstance(line, Line):
            explained = next(found)
            labelled.note(line, explained)
            yield as_json(explained)
        else:
            yield {"error": line}


def as_json(explained: "Explained") -> dict[str, Any]:
    """A text's verdicts, whether it is flagged, its masked form and what was masked, by positions in the text."""
    from app.wire.moderations import spans_wire, verdict_wire

    return {
        "flagged": explained.flagged,
        "verdicts": [verdict_wire(each) for each in explained.judged],
        "masked": explained.masked,
        "pii": spans_wire(explained),
    }


def _read(line: bytes) -> Line | str:
    """A line's text, or what is wrong with it."""
    try:
        return line_of(line)
    except ValueError as error:
        return str(error)


def line_of(raw: bytes) -> Line:
    """Raises ValueError with what is wrong."""
    content = object_of(raw, LONGEST_LINE)
    if not isinstance(content.get("text"), str):
        raise ValueError('the line must be an object with the text as "text"')
    label, category = content.get("label"), content.get("category")
    if label is not None and label not in LABELS:
        raise ValueError('"label" must be "attack" or "benign"')
    if not isinstance(category, str | None):
        raise ValueError('"category" must be text')
    return Line(content["text"], label, category)


def _share(part: int, whole: int) -> str:
    low, high = wilson(part, whole)
    return f"({part / whole:.1%}, {low:.1%} to {high:.1%})"
