"""Texts that were read before are not read again; what failed is, and what would take too much memory."""

from collections.abc import Sequence

import pytest

from app.errors import Unavailable
from app.guard import remembered
from app.guard.engine import Job
from app.guard.remembered import RememberedRails
from app.guard.types import Examined, Hit


class Reader:
    """Two rails: one finds every text's first sign, the other nothing, or fails."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Job]] = []
        self.failure = ""
        self.error: Exception | None = None

    async def examine(self, policy: str, jobs: Sequence[Job]) -> list[list[Examined]]:
        if self.error:
            raise self.error
        self.asked += [(policy, job) for job in jobs]
        return [
            [
                Examined("first", "1", tuple((Hit(text[:1], 1.0, 0, 1),) for text in job.texts), 2.0),
                Examined("second", "1", (), 2.0, self.failure)
                if self.failure
                else Examined("second", "1", tuple(() for _ in job.texts), 2.0),
            ]
            for job in jobs
        ]

    async def ping(self) -> bool:
        return True

    @property
    def texts(self) -> list[tuple[str, ...]]:
        return [job.texts for _, job in self.asked]


def rules(examined: Sequence[Examined]) -> list[list[str]]:
    return [[hit.rule for hits in each.hits for hit in hits] for each in examined]


async def test_only_what_is_new_goes_on() -> None:
    reader = Reader()
    rails = RememberedRails(reader)

    (before,) = await rails.examine("p", [Job("input", ("ab", "cd", "ab"))])
    (now,) = await rails.examine("p", [Job("input", ("cd", "ef", "ab"))])
    (again,) = await rails.examine("p", [Job("input", ("ef", "cd"))])

    assert reader.texts == [("ab", "cd"), ("ef",)]
    assert rules(before) == [["a", "c", "a"], []]
    assert rules(now) == [["c", "e", "a"], []]
    assert rules(again) == [["e", "c"], []]
    assert [(each.rail, each.version, len(each.hits)) for each in again] == [("first", "1", 2), ("second", "1", 2)]


@pytest.mark.parametrize(
    ("policy", "job"),
    [
        ("other", Job("input", ("ab",), "masking")),
        ("p", Job("retrieved", ("ab",), "masking")),
        ("p", Job("input", ("ab",), "others")),
        ("p", Job("input", ("ab",), "masking", ("first",))),
    ],
)
async def test_other_rails_have_not_read_it(policy: str, job: Job) -> None:
    reader = Reader()
    rails = RememberedRails(reader)

    await rails.examine("p", [Job("input", ("ab",), "masking")])
    await rails.examine(policy, [job])

    assert reader.texts == [("ab",), ("ab",)]


async def test_jobs_of_one_call_keep_their_places() -> None:
    reader = Reader()
    rails = RememberedRails(reader)
    await rails.examine("p", [Job("input", ("ab",), "masking")])

    found = await rails.examine(
        "p", [Job("input", ("ab",), "masking"), Job("tool_result", ("cd",)), Job("input", ("ab", "ef"), "masking")]
    )

    assert reader.texts[1:] == [("cd",), ("ef",)]
    assert [rules(each)[0] for each in found] == [["a"], ["c"], ["a", "e"]]


async def test_what_failed_is_asked_again() -> None:
    reader = Reader()
    rails = RememberedRails(reader)

    reader.failure = "timeout"
    (failed,) = await rails.examine("p", [Job("input", ("ab",))])
    reader.failure = ""
    (found,) = await rails.examine("p", [Job("input", ("ab",))])

    assert [each.failure for each in failed] == ["", "timeout"]
    assert failed[1].hits == ()
    assert [each.failure for each in found] == ["", ""]
    assert reader.texts == [("ab",), ("ab",)]


async def test_a_failure_beside_known_texts_is_a_failure() -> None:
    reader = Reader()
    rails = RememberedRails(reader)
    await rails.examine("p", [Job("input", ("ab",))])

    reader.failure = "error"
    (examined,) = await rails.examine("p", [Job("input", ("ab", "cd"))])
    assert [each.failure for each in examined] == ["", "error"]
    assert rules(examined)[0] == ["a", "c"]

    reader.error = Unavailable("gone")
    with pytest.raises(Unavailable):
        await rails.examine("p", [Job("input", ("ab", "new"))])
    (examined,) = await rails.examine("p", [Job("input", ("ab",))])
    assert rules(examined)[0] == ["a"]


async def test_what_is_remembered_is_bounded_by_its_hits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "REMEMBERED_HITS", 2)
    reader = Reader()
    rails = RememberedRails(reader)

    for text in ("a", "b", "c", "c", "b", "a"):
        (found,) = await rails.examine("p", [Job("input", (text,))])
        assert rules(found) == [[text], []]

    # One hit each: two are remembered, the least recently read goes.
    assert reader.texts == [("a",), ("b",), ("c",), ("a",)]
