"""The judge's report: the table that a person reads, and the numbers that MLflow keeps."""

from dataclasses import dataclass

from rich.table import Table as Printed

from app.evals.cache_judge.curve import Curve, Point
from app.evals.cache_judge.groups import NEAR_REPEAT, PARAPHRASE

COSINE, CONTRASTS, JUDGE = "cosine alone", "contrasts + cosine", "judge"
CUSTOMARY_COSINE = 0.90  # what caches of this kind ship with
TARGETS = (0.01, 0.02, 0.05)


@dataclass(frozen=True, slots=True)
class JudgeReport:
    """Curves on pairs of groups that did not train the model, by method; `min_score` is the shipped raw threshold."""

    groups: int
    pairs: int
    curves: dict[str, Curve]
    raw_threshold: float
    # The shipped threshold in group-wise cross-validation on the training half; None where nothing was trained.
    validation: Point | None = None

    @property
    def shipped(self) -> Point:
        """The judge at its shipped threshold, test half."""
        return self.curves[JUDGE].at(self.raw_threshold)

    @property
    def verdict(self) -> str:
        """One sentence, which does not flatter."""
        point, wrong = self.shipped, self.shipped.wrong
        facts = (
            f"Test half: {wrong.value:.1%} of hits wrong ({wrong.low:.1%} to {wrong.high:.1%}), "
            f"{point.paraphrases:.0%} of paraphrases and {point.near_repeats:.0%} of near repeats hit"
        )
        holds = wrong.value <= 0.02 and point.paraphrases >= 0.5 and point.near_repeats >= 0.9
        return f"{facts}. " + ("Within its bounds." if holds else "NOT within its bounds of 2%, 50% and 90%.")

    def metrics(self) -> dict[str, float]:
        """Flat, by the names that MLflow shows."""
        flat = {"test_groups": float(self.groups), "test_pairs": float(self.pairs)}
        for name, point in (("test", self.shipped), ("cv", self.validation)):
            if point is None:
                continue
            flat |= {
                f"{name}_wrong_hits": point.wrong.value,
                f"{name}_wrong_hits_low": point.wrong.low,
                f"{name}_wrong_hits_high": point.wrong.high,
                f"{name}_duplicates_hit": point.duplicates,
                f"{name}_near_repeats_hit": point.near_repeats,
                f"{name}_paraphrases_hit": point.paraphrases,
            }
        for method, curve in self.curves.items():
            for target in TARGETS:
                point = curve.at(curve.threshold_for(target))
                prefix = method.replace(" + ", "_").replace(" ", "_")
                flat[f"{prefix}_paraphrases_at_{target:.0%}".replace("%", "pct")] = point.paraphrases
        return flat

    def table(self) -> Printed:
        """For the terminal: each method at 1%, 2% and 5% of hits wrong, and as shipped."""
        title = f"{self.pairs} pairs of {self.groups} groups that did not train; half duplicates, half traps"
        table = Printed(title=title, title_justify="left", title_style="bold")
        for column in ("method", "threshold", "wrong hits", "95% interval", "near repeats", "paraphrases"):
            table.add_column(column, justify="left" if column in ("method", "threshold") else "right", no_wrap=True)
        cosine = self.curves[COSINE]
        rows = [(COSINE, "0.90", cosine.at(CUSTOMARY_COSINE))]
        for method, curve in self.curves.items():
            rows += [(method, f"best at {target:.0%}", curve.at(curve.threshold_for(target))) for target in TARGETS]
        rows.append((JUDGE, "shipped", self.shipped))
        if self.validation is not None:
            rows.append((JUDGE, "cross-validation", self.validation))
        for method, threshold, point in rows:
            wrong = point.wrong
            table.add_row(
                method,
                threshold,
                f"{wrong.value:.1%}",
                f"{wrong.low:.1%} to {wrong.high:.1%}",
                f"{point.near_repeats:.0%}",
                f"{point.paraphrases:.0%}",
                style="bold" if threshold == "shipped" else None,
            )
        return table

    def kinds(self) -> Printed:
        """For the terminal: what is hit of each kind at the shipped threshold."""
        table = Printed(title="hit, by kind of pair", title_justify="left", title_style="bold")
        for column in ("kind", "hit", "pairs", "share"):
            table.add_column(column, justify="left" if column == "kind" else "right")
        shares = self.curves[JUDGE].hit_shares(self.raw_threshold)
        for kind in sorted(shares, key=lambda name: (name not in (NEAR_REPEAT, PARAPHRASE), name)):
            hits, pairs = shares[kind]
            table.add_row(kind, str(hits), str(pairs), f"{hits / pairs:.0%}")
        return table
