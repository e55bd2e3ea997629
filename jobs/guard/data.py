"""What the injection classifier is trained on."""

import hashlib
import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.config.files import PROJECT
from app.evals.guard.injection_set import HALVED, INJECTION_SETS, Labelled, load_labelled, training_half
from jobs.guard.grammar import make, read_grammar
from jobs.guard.packages import descriptions, library_documentation, package_documentation
from jobs.guard.sources import Archive

SEED = 20240
SLABS, NEURALCHEMY, QUESTIONS = 6_000, 600, 1_500  # rows at the most; of neuralchemy for each label and kind
SENTENCES, DOCUMENTS = 500, 400  # made of each kind and label
PLANTED = 1_000  # of each label
LIBRARY, DESCRIPTIONS, PASSAGES = 600, 1_500, 400
DOCUMENTED, PIECES = 1_200, 3_500  # of packages; short pieces of those and of this project's documents
# Files of this project: what users write, and whole documents. Only the attack's part of one is planted in another.
PROMPT_FILES = frozenset(
    "direct more written_anything written_authority written_benches written_chats written_contacts "
    "written_corrections written_counters written_direct written_everyday written_exfiltration written_extraction "
    "written_foreign written_forged written_guises written_innocent written_languages written_leaks written_long "
    "written_lookalikes written_masks written_mixture written_oddities written_orders written_others written_pairs "
    "written_particulars written_personas written_pressure written_probing written_resets written_roles "
    "written_sending written_setup written_shorts written_sidelong written_smuggled written_speech written_takeout "
    "written_theatre written_tongues written_uncommon written_usual written_verbs written_world".split()
)
DOCUMENT_FILES = frozenset(
    "indirect written_agents written_business written_contrast written_desk written_documents written_feeds "
    "written_fields written_inbox written_machines written_mails written_manuals written_office written_pages "
    "written_papers written_records written_reports written_results".split()
)

# Many of their texts have a near twin, with the other label or in another language: with one of them in the training,
# the other is no measure.
TWINS = frozenset(
    "written_contrast written_lookalikes written_pairs written_papers written_results written_sending "
    "written_speech".split()
)

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
_ORDER_LENGTHS = range(20, 320)  # characters of what is planted
_PIECE_LENGTHS = range(6, 300)
_MARKED = re.compile(r"\[\[[A-Z_]+\|(.*?)\]\]", re.DOTALL)
_EXAMPLE_HOST = re.compile(r"([\w-]+)\.example\b(?!\.\w)")
_ENDS = (".example", ".com", ".com", ".net", ".io", ".org", ".de", ".co")


@dataclass(frozen=True, slots=True)
class Example:
    """A text to learn from. `order`: the sentence that makes an attack of a document, where it is known; `parent`: the
    written text that it was made of, if any: both are held out together."""

    text: str
    is_attack: bool
    source: str
    order: str = ""
    parent: str = ""

    def fold(self, folds: int) -> int:
        """By a hash."""
        text = f"fold {self.parent or self.text}"
        return hashlib.sha256(text.encode(errors="surrogatepass")).digest()[0] % folds


def examples_of(rows: Sequence[Labelled]) -> list[Example]:
    return [Example(row.text, row.is_attack, row.source, row.order) for row in rows]


def training_examples(archive: Archive) -> list[Example]:
    """All of it: other people's rows, this project's training texts, harmless texts of packages, and what is made."""
    draw = random.Random(SEED)  # noqa: S311 (no secrets)
    written = written_examples()
    parts, passages = package_parts(), own_passages()
    packages = [Example(part, False, "packages", "", name) for name, part in parts]
    documented = package_documentation(DOCUMENTED, SEED)
    pieces = [
        Example(piece, False, "pieces", "", parent)
        for parent, text in (*parts, *documented, *((passage, passage) for passage in passages))
        for piece in short_pieces(text)
    ]
    found = [
        *examples_of(draw.sample(archive.slabs("train"), SLABS)),
        *examples_of(archive.yanismiraoui()),
        *examples_of(archive.neuralchemy(NEURALCHEMY, draw)),
        *written,
        *made_examples(SEED, SENTENCES, DOCUMENTS),
        *draw.sample(packages, min(DESCRIPTIONS, len(packages))),
        *planted_examples(written, [text for _, text in (*parts, *documented)] + passages, PLANTED, draw),
        *draw.sample(pieces, min(PIECES, len(pieces))),
        *(Example(text, False, "library") for text in library_documentation(LIBRARY, SEED)),
        *(Example(text, False, "library", "", name) for name, text in documented),
        *(Example(passage, False, "docs") for passage in draw.sample(passages, min(PASSAGES, len(passages)))),
        *(Example(question, False, "cache") for question in own_questions(QUESTIONS, SEED)),
        *(Example(text, False, "personal") for text in texts_with_personal_data()),
    ]
    return list({one.text: one for one in found}.values())


def written_examples() -> list[Example]:
    """The training halves, and what was written for training alone: more.jsonl and written_*.jsonl."""
    halves = [row for name in HALVED for row in training_half(load_labelled(INJECTION_SETS / f"{name}.jsonl"))]
    files = [INJECTION_SETS / "more.jsonl", *sorted(INJECTION_SETS.glob("written_*.jsonl"))]
    rows = [*halves, *(row for file in files for row in load_labelled(file))]
    return examples_of([replace(row, text=usual_hosts(row.text), order=usual_hosts(row.order)) for row in rows])


def usual_hosts(text: str) -> str:
    """With ends of host names as they are in the world, where a text has the one that is kept for examples: mostly
    attacks name hosts, and a model would learn it for one of their signs."""
    return _EXAMPLE_HOST.sub(lambda match: match[1] + _ENDS[hashlib.sha256(match[1].encode()).digest()[0] % 8], text)


def package_parts(length: int = 700) -> list[tuple[str, str]]:
    """(package, a piece of its description), pieces cut where lines end."""
    parts = []
    for name, text in descriptions(held_back=False).items():
        part = ""
        for line in text.splitlines(keepends=True):
            part += line
            if len(part) >= length:
                parts.append((name, part))
                part = ""
        if len(part) > 100:
            parts.append((name, part))
    return parts


def short_pieces(text: str) -> list[str]:
    """Of a document its headings, items and rows, each alone, and its sentences: what a passage's beginning or end, or
    a short one, is like."""
    pieces = []
    for line in text.splitlines():
        line = line.strip()
        if re.match(r"#+ |[-*|] ?", line):
            pieces.append(line)
    for paragraph in re.split(r"\n\s*\n", text):
        pieces += re.split(r"(?<=[.!?:])\s+", " ".join(paragraph.split()))
    return [piece for piece in dict.fromkeys(pieces) if len(piece) in _PIECE_LENGTHS and re.search(r"[a-z]{3}", piece)]


def planted_examples(
    written: Sequence[Example], carriers: Sequence[str], count: int, draw: random.Random
) -> list[Example]:
    """`count` real harmless documents with an attack that somebody wrote in them, and `count` with a harmless text."""
    found: list[Example] = []
    for is_attack in (True, False):
        pool = [
            (one.order or one.text, one.text)
            for one in written
            if one.is_attack == is_attack
            and len(one.order or one.text) in _ORDER_LENGTHS
            and (one.order or one.source not in DOCUMENT_FILES)
        ]
        for _ in range(count):
            order, parent = draw.choice(pool)
            lines = draw.choice(carriers)[: draw.choice((120, 250, 500, 700))].splitlines()
            place = draw.choice(("{}", "{}", "{}", "({})", "> {}", "- {}", "<!-- {} -->", "# {}", "Note: {}"))
            lines.insert(draw.randint(0, len(lines)), place.replace("{}", order))
            found.append(Example("\n".join(lines), is_attack, "planted", order if is_attack else "", parent))
    return found


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
            is_written = draw.random() < 0.3
            order = draw.choice(written[is_attack]) if is_written else text
            carrier = draw.choice(carriers)
            document = _with_hole(carrier["text"], harmless, passages, draw)
            place = draw.choice(_PLACES.get(carrier["kind"], ("{}",))) if draw.random() < 0.7 else "{}"
            whole = document.replace(_HOLE, place.replace("{}", order))
            parent = order if is_written else ""
            found.append(Example(whole, is_attack, "made_document", order if is_attack else "", parent))
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


def texts_with_personal_data() -> list[str]:
    """What the rail for personal data is tuned on, as its writers wrote it: ordinary, with addresses and numbers."""
    lines = (PROJECT / "evals" / "guard" / "pii" / "training.jsonl").open(encoding="utf-8")
    return [_MARKED.sub(r"\1", json.loads(line)["text"]) for line in lines]


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
