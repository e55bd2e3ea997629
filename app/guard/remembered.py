"""What rails have said of a text is not asked again: conversations come again with each of their turns, and passages of
popular documents with each question."""

import time
from collections.abc import Sequence
from dataclasses import replace

from app.digests import KeyedDigests
from app.guard.engine import Job, TextRails
from app.guard.types import Examined, Hit
from app.recent import Recent

REMEMBERED = 8192  # texts, each by the rails that read it
REMEMBERED_HITS = 100_000  # of all of them, at about 160 bytes

# Of one text, for each rail: its name, its version, and its hits.
Said = tuple[tuple[str, str, tuple[Hit, ...]], ...]


class RememberedRails:
    """In front of other rails, in an ingress process: only texts that are new go on. Texts are known by a keyed digest,
    so that none stays in memory. What failed is asked again."""

    def __init__(self, rails: TextRails) -> None:
        self._rails = rails
        self._digests = KeyedDigests()
        self._recent: Recent[Said] = Recent(REMEMBERED, weigh=_hits, most=REMEMBERED_HITS)

    async def examine(self, policy: str, jobs: Sequence[Job]) -> list[list[Examined]]:
        """See `TextRails.examine`. Raises what the others raise."""
        started = time.perf_counter()
        known: list[dict[str, Said]] = []
        asked: list[Job] = []
        for job in jobs:
            texts = dict.fromkeys(job.texts)
            known.append({text: said for text in texts if (said := self._recent.get(self._digest(policy, job, text)))})
            new = tuple(text for text in texts if text not in known[-1])
            if new or not texts:
                asked.append(replace(job, texts=new))
        answers = iter(await self._rails.examine(policy, asked) if asked else ())
        found: list[list[Examined]] = []
        for job, before in zip(jobs, known, strict=True):
            new = tuple(text for text in dict.fromkeys(job.texts) if text not in before)
            if not new and job.texts:
                spent = round((time.perf_counter() - started) * 1000, 3)
                found.append(_told(job, before, spent))
            else:
                found.append(self._learned(policy, job, before, new, next(answers)))
        return found

    async def ping(self) -> bool:
        """Whether the others answer."""
        return await self._rails.ping()

    def _learned(
        self, policy: str, job: Job, before: dict[str, Said], new: Sequence[str], answers: list[Examined]
    ) -> list[Examined]:
        """All texts' hits, of which those of `new` were just found. A rail that failed says nothing of any."""
        said = dict(before)
        for at, text in enumerate(new):
            said[text] = tuple((each.rail, each.version, each.hits[at] if each.hits else ()) for each in answers)
            if answers and not any(each.failure for each in answers):
                self._recent.put(self._digest(policy, job, text), said[text])
        return [
            each if each.failure else replace(each, hits=tuple(said[text][rail][2] for text in job.texts))
            for rail, each in enumerate(answers)
        ]

    def _digest(self, policy: str, job: Job, text: str) -> str:
        names = ("all",) if job.names is None else ("named", *job.names)
        return self._digests.of(policy, job.place, job.which, *names, text)


def _hits(said: Said) -> int:
    return sum(len(hits) for _, _, hits in said)


def _told(job: Job, said: dict[str, Said], spent_ms: float) -> list[Examined]:
    first = said[job.texts[0]]
    return [
        Examined(name, version, tuple(said[text][rail][2] for text in job.texts), spent_ms)
        for rail, (name, version, _) in enumerate(first)
    ]
