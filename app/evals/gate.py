"""Deciding whether an eval passes, for a build that must stop when it does not."""

from app.evals.report import Report


def gate(report: Report, recall: str, *, min_recall: float | None, max_errors: int) -> list[str]:
    """Why the eval fails; empty when it passes. `recall` is the name of the score that is held to.

    Failed requests count too: they are unscored, so a stack that fails on the hard questions would
    otherwise pass by the easy ones. A recall that could not be measured does not pass.
    """
    problems = []
    if report.errors > max_errors:
        problems.append(f"{report.errors} of {report.samples} requests failed (--max-errors {max_errors})")
    if min_recall is not None:
        value = report.scores[recall].value
        if value is None:
            problems.append(f"{recall} could not be measured (--min-recall {min_recall:g})")
        elif value < min_recall:
            problems.append(f"{recall} is {value:.3f}, below --min-recall {min_recall:g}")
    return problems
