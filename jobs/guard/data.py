"""What the injection classifier is trained on."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass

from app.config.files import PROJECT
from app.evals.guard.injection_set import INJECTION_SETS, Labelled
from jobs.guard.grammar import make, read_grammar

# How a sentence stands in a document of a kind.
_PLACES: dict[str, tuple[str, ...]] = {
    "web": (
        "<!-- {} -->",
        '<p style="display:none">{}</p>',
        "<span hidden>{}</span>",
        "<p>{}</p>",
        '<img src="a.png" alt="{}">',
        '<div aria-hidden="true" style="font-size:1px;color:#fff">{}</div>',
        "[{}]",
    ),
    "doc": ("{}", "{}", "({})", "[{}]", "*{}*", "\n\n{}\n\n"),
    "email": ("{}", "{}", "PS: {}", "({})", "\n--\n{}"),
    "ticket": ("{}", "{}", '"{}"', "Note: {}"),
}
_HOLE = "@@"


@dataclass(frozen=True, slots=True)
class Example:
    """A text to learn from. `order`: the sentence that makes an attack of a document, where it is known."""

    text: str
    is_attack: bool
    source: str
    order: str = ""


def examples_of(rows: Sequence[Labelled]) -> list[Example]:
    return [Example(row.text, row.is_attack, row.source) for row in rows]


def made_examples(seed: int, sentences: int, documents: int) -> list[Example]:
    """From the grammar: `sentences` of each kind of prompts and inserts, and `documents` of each label."""
    draw = random.Random(seed)  # noqa: S311 (no secrets)
    slots = read_grammar(INJECTION_SETS / "grammar.txt")
    found: list[Example] = []
    for label in ("attack", "benign"):
        for kind in ("direct", "insert"):
            found += [
                Example(text, label == "attack", f"made_{kind}")
                for text in make(slots, f"{label} {kind}", sentences, draw)
            ]
    written = _inserts()
    harmless = make(slots, "benign insert", 4_000, draw)
    carriers = [json.loads(line) for line in (INJECTION_SETS / "documents.jsonl").open(encoding="utf-8")]
    passages = [passage[:500] for passage in own_passages()]
    for is_attack in (True, False):
        for text in make(slots, "attack insert" if is_attack else "benign insert", documents, draw):
            order = draw.choice(written[is_attack]) if draw.random() < 0.3 else text
            carrier = draw.choice(carriers)
            document = _with_hole(carrier["text"], harmless, passages, draw)
            place = draw.choice(_PLACES.get(carrier["kind"], ("{}",))) if draw.random() < 0.7 else "{}"
            whole = document.replace(_HOLE, place.replace("{}", order))
            found.append(Example(whole, is_attack, "made_document", order if is_attack else ""))
    found += [Example(carrier["text"].replace(_HOLE, ""), False, "made_document") for carrier in carriers]
    return found


def own_passages() -> list[str]:
    """This project's documents: three paragraphs each."""
    passages = []
    for path in sorted((PROJECT / "docs").glob("*.md")):
        paragraphs = [part.strip() for part in path.read_text(encoding="utf-8").split("\n\n") if len(part.strip()) > 60]
        passages += ["\n\n".join(paragraphs[at : at + 3]) for at in range(0, len(paragraphs), 3)]
    return passages


def own_questions(count: int, seed: int) -> list[str]:
    """Questions of the semantic cache's groups: what people ask, none of it an attack."""
    questions = []
    for path in sorted((PROJECT / "evals" / "cache" / "parts").glob("*.jsonl")):
        for line in path.open(encoding="utf-8"):
            group = json.loads(line)
            questions += [group["question"], *group["paraphrases"][:1]]
    return random.Random(seed).sample(questions, min(count, len(questions)))  # noqa: S311 (no secrets)


def _inserts() -> dict[bool, list[str]]:
    rows = [json.loads(line) for line in (INJECTION_SETS / "more.jsonl").open(encoding="utf-8")]
    return {
        label: [row["text"] for row in rows if row["category"] == "insert" and (row["label"] == "attack") == label]
        for label in (True, False)
    }


def _with_hole(carrier: str, harmless: Sequence[str], passages: Sequence[str], draw: random.Random) -> str:
    """A document with a place for a sentence: a written one, one of harmless sentences, or a passage."""
    chance = draw.random()
    if chance < 0.35:
        before = [draw.choice(harmless) for _ in range(draw.randint(1, 2))]
        after = [draw.choice(harmless) for _ in range(draw.randint(0, 2))]
        return draw.choice((" ", "\n")).join([*before, _HOLE, *after])
    if chance < 0.5:
        sentences = draw.choice(passages).split(". ")
        sentences.insert(draw.randint(0, len(sentences)), _HOLE)
        return ". ".join(sentences)
    if chance < 0.7:
        return carrier.replace(
            _HOLE, draw.choice((f"{draw.choice(harmless)} {_HOLE}", f"{_HOLE} {draw.choice(harmless)}"))
        )
    return carrier
