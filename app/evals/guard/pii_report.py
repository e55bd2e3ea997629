"""The table of what detectors find and what wrongly, and its record in MLflow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table

from app.evals.guard.pii import GROUPS, Count, Marked, Measured
from app.evals.tracking import new_run

TARGETS = {"structured": (0.95, 0.85), "names": (0.85, 0.85)}  # recall, precision


@dataclass(frozen=True, slots=True)
class PiiReport:
    """Of one set of texts: what each detector made of it."""

    name: str
    texts: Sequence[Marked]
    measured: Mapping[str, Measured]  # by detector, the guard's first

    def rows(self) -> list[tuple[str, str, Count]]:
        """(type or group, detector, counts), groups last."""
        types = [name for names in GROUPS.values() for name in names]
        return [
            *((name, by, found.types.get(name, Count())) for name in types for by, found in self.measured.items()),
            *((f"all {group}", by, found.group(names)) for group, names in GROUPS.items() if len(names) > 1
              for by, found in self.measured.items()),
        ]  # fmt: skip

    def table(self) -> Table:
        """For the terminal."""
        table = Table(title=f"{self.name}: {len(self.texts)} texts", title_justify="left", title_style="bold")
        table.add_column("type")
        table.add_column("spans", justify="right")
        for by in self.measured:
            for column in ("recall", "prec.", "F1"):
                table.add_column(f"{by}\n{column}", justify="right")
        rows: dict[str, list[str]] = {}
        for name, _, count in self.rows():
            row = rows.setdefault(name, [name, str(count.spans)])
            row += [_share(count.recall), _share(count.precision), _share(count.f1 if count.right else float("nan"))]
        for row in rows.values():
            table.add_row(*row, style="bold" if row[0].startswith("all ") else None)
        return table

    def metrics(self) -> dict[str, float]:
        """Flat, by the names that MLflow shows; what has no value is left out."""
        flat: dict[str, float] = {}
        for name, by, count in self.rows():
            prefix = f"{self.name}.{by}.{name.removeprefix('all ').lower()}"
            for measure in ("recall", "covered", "precision"):
                value = float(getattr(count, measure))
                if value == value:
                    flat[f"{prefix}.{measure}"] = value
        return {name.replace(" ", "_"): value for name, value in flat.items()}

    @property
    def verdict(self) -> str:
        """One sentence, which does not flatter."""
        ours = next(iter(self.measured.values()))
        parts, holds = [], True
        for group, (recall, precision) in TARGETS.items():
            count = ours.group(GROUPS[group])
            holds &= count.recall >= recall and count.precision >= precision
            parts.append(
                f"{group}: recall {count.recall:.3f} of {recall}, precision {count.precision:.3f} of {precision}"
            )
        return f"{self.name}: {'; '.join(parts)}. " + ("Within its bounds." if holds else "NOT within its bounds.")


def _share(value: float) -> str:
    return f"{value:.2f}" if value == value else "-"


def record_pii(reports: Sequence[PiiReport], *, url: str, experiment: str, params: Mapping[str, object]) -> str:
    """Write one run with the table and every miss; returns its link. Raises TrackingError."""
    verdict = " ".join(report.verdict for report in reports)
    tags = {"mlflow.source.name": "jobs.measure_pii", "mlflow.source.type": "JOB", "verdict": verdict}
    with new_run(url, experiment, "pii", tags) as run:
        metrics = {name: value for report in reports for name, value in report.metrics().items()}
        run.log_numbers(metrics, params)
        for report in reports:
            rows = report.rows()
            columns = {
                "type": [name for name, _, _ in rows],
                "detector": [by for _, by, _ in rows],
                **{
                    field: [getattr(count, field) for _, _, count in rows]
                    for field in ("spans", "found", "strict", "right", "wrong", "recall", "precision", "f1")
                },
            }
            run.client.log_table(run.id, columns, f"{report.name}.json")
    return run.link
