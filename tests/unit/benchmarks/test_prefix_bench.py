"""The prefix bench asks every router the same, and its figures are what the samples say."""

from rich.console import Console

from benchmarks.machine import Machine
from benchmarks.prefix.load import Sample
from benchmarks.prefix.report import Report
from benchmarks.prefix.sessions import Session


def test_sessions_are_the_same_each_time_and_differ_from_each_other() -> None:
    systems = [Session.begin(number, 65).ask(0) for number in range(20)]
    assert systems == [Session.begin(number, 65).ask(0) for number in range(20)]
    assert len({messages[0]["content"] for messages in systems}) == 20


def test_a_session_keeps_all_that_was_said() -> None:
    session = Session.begin(1, 3)
    session.ask(0)
    session.hear("At the desk.")
    assert [message["role"] for message in session.ask(1)] == ["system", "user", "assistant", "user"]


def test_shares_are_of_tokens_and_the_first_turns_stand_apart() -> None:
    samples = [Sample(0, 0, 1000, 0, 2.0, 3.0), Sample(0, 1, 1100, 900, 0.5, 1.0), Sample(1, 1, 100, 0, 0.1, 0.2)]
    every, first, later = report(samples).rows()
    assert (every.requests, first.requests, later.requests) == (3, 1, 2)
    assert later.cached_share == 900 / 1200
    assert first.first_token_p50_ms == 2000
    assert later.total_p50_ms == 600


def test_the_table_and_the_page_say_the_same() -> None:
    console = Console(record=True, width=140)
    made = report([Sample(0, 0, 1000, 0, 2.0, 3.0), Sample(0, 1, 1000, 750, 0.5, 1.0)])
    made.print(console)
    shown, page = console.export_text(), made.markdown()
    for cell in ("37.5%", "75.0%", "2,000"):
        assert cell in shown
        assert cell in page


def report(samples: list[Sample]) -> Report:
    facts = Machine("2026-11-24T12:00:00+00:00", ("python",), "cpu", 2, 24, "Linux", "3.11", {}, "c", (0, 0, 0), 0)
    return Report(facts, 20, 5, 4, "", {"prefix": samples}, {})
