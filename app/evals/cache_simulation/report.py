"""The simulation's report: the table that a person reads, and the numbers that MLflow keeps."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from app.evals.cache_simulation.compare import VERIFIED, Trial
from app.evals.cache_simulation.run import Outcome


@dataclass(frozen=True, slots=True)
class SimulationReport:
    """All trials: each seed with each bound."""

    trials: Sequence[Trial]

    @property
    def verdict(self) -> str:
        """One sentence, which does not flatter."""
        kept = sum(trial.keeps_bound for trial in self.trials)
        ahead = sum(trial.is_ahead for trial in self.trials)
        both = sum(trial.keeps_bound and trial.is_ahead for trial in self.trials)
        total = len(self.trials)
        said = "holds" if both == total else "does NOT hold"
        return (
            f"Verified mode keeps its bound in {kept} of {total} trials and has more hits than the best fixed "
            f"threshold that keeps it, chosen in hindsight, in {ahead}: the promise {said}."
        )

    def metrics(self) -> dict[str, float]:
        """Flat, by the names that MLflow shows: means over the seeds, and the worst of verified."""
        flat: dict[str, float] = {}
        for bound, trials in self._by_bound().items():
            for name, outcomes in _outcomes(trials).items():
                label = f"{name.replace(',', '').replace(' + ', ' ').replace(' ', '_')}_{bound * 100:g}pct"
                flat[f"{label}_hit_rate"] = _mean([outcome.hit_rate if outcome else 0.0 for outcome in outcomes])
                real = [outcome for outcome in outcomes if outcome]
                if real:
                    flat[f"{label}_error_of_hits"] = _mean([outcome.error_of_hits for outcome in real])
                    flat[f"{label}_error_of_requests"] = _mean([outcome.error_of_requests for outcome in real])
                    flat[f"{label}_worst_error_of_hits"] = max(outcome.error_of_hits for outcome in real)
        return {name: value for name, value in flat.items() if math.isfinite(value)}

    def table(self) -> Table:
        """For the terminal: for each bound, a row for each cache, all seeds together."""
        seeds = len({trial.seed for trial in self.trials})
        requests = self.trials[0].verified.requests
        table = Table(
            title=f"{seeds} streams of {requests:,} requests that the exact tier has no answer to",
            title_justify="left",
            title_style="bold",
        )
        for column in ("bound", "cache", "hits", "wrong/hits", "95% interval", "worst seed", "wrong/requests"):
            table.add_column(column, justify="left" if column == "cache" else "right", no_wrap=True)
        for bound, trials in self._by_bound().items():
            for name, outcomes in _outcomes(trials).items():
                table.add_row(f"{bound:.0%}" if name == VERIFIED else "", name, *_cells(outcomes))
            table.add_section()
        return table

    def rows(self) -> dict[str, list[float | int | str | None]]:
        """Column name -> one value for each cache in each trial."""
        rows = [
            (trial.seed, trial.bound, name, outcome)
            for trial in self.trials
            for name, outcome in trial.outcomes().items()
        ]
        return {
            "seed": [seed for seed, _, _, _ in rows],
            "bound": [bound for _, bound, _, _ in rows],
            "cache": [outcome.name if outcome else name for _, _, name, outcome in rows],
            "hits": [sum(outcome.hits) if outcome else 0 for _, _, _, outcome in rows],
            "wrong": [sum(outcome.wrong) if outcome else 0 for _, _, _, outcome in rows],
            "requests": [outcome.requests if outcome else None for _, _, _, outcome in rows],
        }

    def _by_bound(self) -> dict[float, list[Trial]]:
        found: dict[float, list[Trial]] = {}
        for trial in self.trials:
            found.setdefault(trial.bound, []).append(trial)
        return found


def pooled(outcomes: Sequence[Outcome]) -> Outcome:
    """Several streams as one."""
    together = Outcome(outcomes[0].name)
    for outcome in outcomes:
        together.hits += outcome.hits
        together.wrong += outcome.wrong
    return together


def _outcomes(trials: Sequence[Trial]) -> dict[str, list[Outcome | None]]:
    return {name: [trial.outcomes()[name] for trial in trials] for name in trials[0].outcomes()}


def _cells(outcomes: Sequence[Outcome | None]) -> tuple[str, ...]:
    real = [outcome for outcome in outcomes if outcome]
    if not real:
        return "0%", "none keeps it", "", "", ""
    together = pooled(real)
    low, high = together.interval
    # Where no threshold keeps the bound, the opponent serves nothing.
    hits = _mean([outcome.hit_rate if outcome else 0.0 for outcome in outcomes])
    worst = max(outcome.error_of_hits for outcome in real)
    return (
        f"{hits:.1%}",
        f"{together.error_of_hits:.2%}",
        f"{low:.2%} to {high:.2%}",
        f"{worst:.2%}",
        f"{together.error_of_requests:.2%}",
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
