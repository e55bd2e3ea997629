"""Features of what is asked for: question words, tasks, and small words that one question has and the other has not."""

from app.cache.judge.concepts import ASKED
from app.cache.judge.seen import Seen

MARKS = {
    "if": "if unless whether case suppose assuming provided",
    "only": "only solely exclusively just alone",
    "all": "all every each everything entire whole any",
    "before": "before prior ahead until till",
    "after": "after following once afterwards since",
    "still": "still already again anymore yet back longer",
    "instead": "instead rather else other another different alternative",
    "why": "why reason reasons cause causes because",
    "how": "how steps step method procedure way guide instructions",
    "when": "when date deadline time until",
    "where": "where place location",
    "who": "who whom whose person",
    "can": "can may could allowed allow possible permitted ok okay legal",
    "should": "should must need required mandatory ought necessary",
    "happen": "happen happens happened consequence consequences effect effects",
    "difference": "difference differences differ versus compare better worse comparison",
    "me": "i me my mine we our us",
    "past": "was were did had used previously former",
    "future": "will going next future upcoming",
    "more": "more most highest greater larger above over exceed",
    "less": "less least lowest smaller fewer below under",
}

MARKED = {name: frozenset(words.split()) for name, words in MARKS.items()}

TASKS = frozenset(
    "write translate summarise shorten rewrite proofread classify extract convert list_task explain".split()
)

WRITING = frozenset("write draft compose create make".split())

PAPERS = frozenset(
    "email mail letter poem note story essay tweet haiku song joke slogan blog message post speech".split()
)

HEADS = ("who", "when", "where", "why")

CLOSED = frozenset("is are was were do does did can could may should must will would has have am".split())


def asked(a: Seen, b: Seen) -> dict[str, float]:
    asked = [{name for item in side.items for name in item.concepts if name in ASKED} for side in (a, b)]
    first = [_question_word(side) for side in (a, b)]
    shared = asked[0] & asked[1]
    lack = sorted((len(asked[0] - asked[1]), len(asked[1] - asked[0])))
    heads = [_head(side) for side in (a, b)]
    return {
        "asked_shared": float(len(shared)),
        "asked_lack.low": float(lack[0]),
        "asked_lack.high": float(lack[1]),
        "asked_disjoint": float(bool(asked[0]) and bool(asked[1]) and not shared),
        "same_question_word": float(first[0] == first[1]),
        "question_words_conflict": float(bool(first[0]) and bool(first[1]) and first[0] != first[1]),
        "question_word_missing": float(not first[0]) + float(not first[1]),
        "heads_conflict": float(bool(heads[0]) and bool(heads[1]) and not heads[0] & heads[1]),
        "heads_share": float(bool(heads[0] & heads[1])),
    }


def _question_word(side: Seen) -> str:
    words = [word.text for word in side.question.words]
    for at, word in enumerate(words):
        if word in ("how", "why", "when", "where", "who", "whom", "whose", "what", "which"):
            if (
                word == "how"
                and at + 1 < len(words)
                and words[at + 1] not in ("do", "can", "to", "i", "should", "does", "did")
            ):
                return f"how {words[at + 1]}"
            return {"whom": "who", "which": "what"}.get(word, word)
    return ""


def _head(side: Seen) -> frozenset[str]:
    """What is asked for by the first item that asks for something."""
    for item in side.items:
        found = item.concepts & ASKED
        if found:
            return found
    return frozenset()


def marks(a: Seen, b: Seen) -> dict[str, float]:
    """Small words that one question has and the other has not."""
    texts = [{word.text for word in side.question.words} for side in (a, b)]
    found = {
        f"mark_{name}": float(texts[0].isdisjoint(words) != texts[1].isdisjoint(words))
        for name, words in MARKED.items()
    }
    heads = [_head_word(side) for side in (a, b)]
    found["heads_differ"] = float(bool(heads[0]) and bool(heads[1]) and heads[0] != heads[1])
    papers = [_writes_paper(side) for side in (a, b)]
    asks = [_is_question(side) for side in (a, b)]
    found["papers_differ"] = float((papers[0] and asks[1]) or (papers[1] and asks[0]))
    tasks = [_task(side) for side in (a, b)]
    found["tasks_differ"] = float(tasks[0] != tasks[1])
    found["tasks_conflict"] = float(bool(tasks[0]) and bool(tasks[1]) and tasks[0] != tasks[1])
    closed = [side.question.words[0].text in CLOSED if side.question.words else False for side in (a, b)]
    found["closed_differs"] = float(closed[0] != closed[1])
    return found


def _writes_paper(side: Seen) -> bool:
    """It begins with "Write an email" or the like."""
    words = [word.text for word in side.question.words[:6]]
    return bool(words) and words[0] in WRITING and not PAPERS.isdisjoint(words)


def _is_question(side: Seen) -> bool:
    """It begins as questions do, and speaks of nothing to be written."""
    words = [word.text for word in side.question.words]
    opens = bool(words) and (words[0] in CLOSED or words[0] in ("how", "what", "which", *HEADS))
    return opens and PAPERS.isdisjoint(words)


def _head_word(side: Seen) -> str:
    """Who, when, where, why, how many ... if the question begins with it; else ""."""
    words = [word.text for word in side.question.words[:2]]
    if words and words[0] in HEADS:
        return words[0]
    if (
        len(words) > 1
        and words[0] == "how"
        and words[1] in ("many", "long", "often", "much", "old", "far", "tall", "high")
    ):
        return f"how {words[1]}"
    return ""


def _task(side: Seen) -> str:
    """The task verb that the question begins a sentence with."""
    for item in side.items[:3]:
        hit = item.concepts & TASKS
        if hit:
            return sorted(hit)[0]
    return ""
