"""Failures are all counted, and few of them logged."""

import logging

import pytest

from app.failures import Failures


def test_the_log_gets_one_line_per_power_of_two_and_no_words_of_the_error(caplog: pytest.LogCaptureFixture) -> None:
    failures = Failures(logging.getLogger("tests"), "the store")
    for _ in range(9):
        failures.note(ValueError("what a user said"))

    assert failures.count == 9
    assert [record.getMessage() for record in caplog.records] == [
        f"the store: ValueError ({count} failures so far)" for count in (1, 2, 4, 8)
    ]
