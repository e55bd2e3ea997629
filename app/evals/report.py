"""Summing an evaluation up: means, percentiles, tokens, failures; as metrics and as a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from rich.table import Table

from app.evals.statistics import bootstrap_interval, percentile
from app.evals.task import Evaluation


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of a score over the samples that could be graded.

    `value` is None when none could. `interval` is the 95% bootstrap interval, None with fewer than
    two graded samples.
    """

    value: float | None
    scored: int
    interval: tuple[float, float] | None

    @classmethod
    def of(cls, scores: Sequence[float | None]) -> Self:
        """Of one score a sample; None is unscored and stays out."""
        graded = [score for score in scores if score is not None]
        if not graded:
            return cls(None, 0, None)
        return cls(sum(graded) / len(graded), len(graded), bootstrap_interval(graded))


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of a time, in seconds."""

    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self | None:
        """None when there are no values."""
        return cls(*(percentile(values, q) for q in (50, 95, 99))) if values else None


@dataclass(frozen=True, slots=True)
class Report:
    """An evaluation in numbers. Times and tokens are those of the answers that did not fail."""

    samples: int
    errors: int
    cache_hits: int
    scores: dict[str, Mean]
    latency: Percentiles | None
    ttft: Percentiles | None
    prompt_tokens: int
    completion_tokens: int
    wall_s: float

    @property
    def tokens_per_s(self) -> float:
        """Throughput: generated tokens of the whole run by its wall time."""
        return self.completion_tokens / self.wall_s if self.wall_s > 0 else 0.0

    def metrics(self) -> dict[str, float]:
        """Flat, by the names that MLflow shows. What could not be measured is left out."""
        found: dict[str, float] = {
            "samples": self.samples,
            "errors": self.errors,
            "cache_hits": self.cache_hits,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "tokens_per_s": self.tokens_per_s,
            "wall_s": self.wall_s,
        }
        for name, mean in self.scores.items():
            found[f"{name}_scored"] = mean.scored
            if mean.value is not None:
                found[name] = mean.value
            if mean.interval is not None:
                found[f"{name}_low"], found[f"{name}_high"] = mean.interval
        for name, times in (("latency", self.latency), ("ttft", self.ttft)):
            if times is not None:
                found[f"{name}_p50_s"] = times.p50
                found[f"{name}_p95_s"] = times.p95
                found[f"{name}_p99_s"] = times.p99
        return found

    def table(self, title: str) -> Table:
        """For the terminal."""
        table = Table(title=title, title_justify="left", title_style="bold")
        table.add_column("measure", no_wrap=True)
        table.add_column("value", justify="right", no_wrap=True)
        table.add_column("95% interval", justify="right")
        table.add_column("scored", justify="right")
        for name, mean in self.scores.items():
            table.add_row(
                name,
                "-" if mean.value is None else f"{mean.value:.3f}",
                "-" if mean.interval is None else f"{mean.interval[0]:.3f} to {mean.interval[1]:.3f}",
                f"{mean.scored} of {self.samples}",
            )
        table.add_section()
        for name, times in (("latency", self.latency), ("first token", self.ttft)):
            table.add_row(f"{name} p50 / p95 / p99", _seconds(times))
        table.add_row("tokens in / out", f"{self.prompt_tokens:,} / {self.completion_tokens:,}")
        table.add_row("tokens out per second", f"{self.tokens_per_s:.1f}")
        table.add_row("cache hits", str(self.cache_hits))
        table.add_row("failed requests", str(self.errors), style="bold red" if self.errors else None)
        return table


def aggregate(evaluation: Evaluation) -> Report:
    """Sum up. A failed answer counts as an error; it has no score, no latency and no tokens here."""
    results = evaluation.results
    answers = [result.answer for result in results if result.answer.error is None]
    names = list(results[0].scores) if results else []
    return Report(
        samples=len(results),
        errors=len(results) - len(answers),
        cache_hits=sum(answer.cache in {"exact", "semantic"} for answer in answers),
        scores={name: Mean.of([result.scores[name] for result in results]) for name in names},
        latency=Percentiles.of([answer.latency_s for answer in answers]),
        ttft=Percentiles.of([answer.ttft_s for answer in answers if answer.ttft_s is not None]),
        prompt_tokens=sum(answer.prompt_tokens or 0 for answer in answers),
        completion_tokens=sum(answer.completion_tokens or 0 for answer in answers),
        wall_s=evaluation.wall_s,
    )


def failures(evaluation: Evaluation, most: int = 5) -> list[str]:
    """A line for each of the first failed requests, and one for the rest."""
    failed = [result for result in evaluation.results if result.answer.error is not None]
    lines = [f"failed {result.sample.id}: {result.answer.error}" for result in failed[:most]]
    return [*lines, f"... and {len(failed) - most} more"] if len(failed) > most else lines


def _seconds(times: Percentiles | None) -> str:
    return "-" if times is None else f"{times.p50:.2f} / {times.p95:.2f} / {times.p99:.2f} s"
