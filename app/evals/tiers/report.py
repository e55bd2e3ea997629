"""The router's report: the table that a person reads, and the numbers that MLflow keeps."""

from dataclasses import dataclass

from rich.table import Table

from app.evals.tiers.comparison import Comparison, Estimate, Outcome
from app.evals.tiers.validation import CrossValidation, UnseenCategories


@dataclass(frozen=True, slots=True)
class RouterReport:
    """What was measured. `comparison` is on the half of the prompts that did not train the classifier."""

    comparison: Comparison
    cross_validation: CrossValidation
    unseen: UnseenCategories

    @property
    def verdict(self) -> str:
        """One sentence, which does not flatter."""
        found, tiered = self.comparison, self.comparison.tiered
        kept, saved = tiered.kept, tiered.saved
        facts = (
            f"At threshold {found.threshold:.3f} it keeps {kept.value:.1%} ({kept.low:.1%} to {kept.high:.1%}) of "
            f"always-large's quality and saves {saved.value:.1%} ({saved.low:.1%} to {saved.high:.1%}) of its cost"
        )
        if found.is_better_than_chance:
            chance = "" if found.chance_saves is None else f"; at that quality chance saves {found.chance_saves:.1%}"
            return f"{facts}{chance}. Better than the shuffled control (p = {found.p_value:.4f})."
        return f"{facts}. NOT better than the shuffled control (p = {found.p_value:.4f}): do not route by it."

    def metrics(self) -> dict[str, float]:
        """Flat, by the names that MLflow shows."""
        found = self.comparison
        flat: dict[str, float] = {"test_prompts": found.prompts, "threshold": found.threshold, "auc": found.auc}
        for outcome in _outcomes(found):
            name = outcome.name.replace(" ", "_")
            flat[f"{name}_share_small"] = outcome.share_small
            flat[f"{name}_usd_per_thousand"] = outcome.usd_per_thousand
            for measure in ("quality", "kept", "saved"):
                flat |= _flat(f"{name}_{measure}", getattr(outcome, measure))
        flat["p_value"] = found.p_value
        if found.chance_saves is not None:
            flat["chance_saves_at_equal_quality"] = found.chance_saves
        flat["tiered_area"], flat["oracle_area"] = found.tiered_curve.mean_kept, found.oracle_curve.mean_kept
        flat |= _flat("shuffled_area", found.control_area)
        for measure in ("kept", "saved", "kept_gain", "area_gain"):
            flat |= _flat(f"cv_{measure}", getattr(self.cross_validation, measure))
        for measure in ("kept", "saved", "kept_gain", "auc"):
            flat[f"unseen_{measure}"] = getattr(self.unseen, measure)
        return {name: value for name, value in flat.items() if value == value}  # MLflow's SQL takes no NaN

    def table(self, title: str) -> Table:
        """For the terminal: a row for each way to route."""
        table = Table(title=title, title_justify="left", title_style="bold")
        for column in ("policy", "to small", "quality", "kept", "95% interval", "saved", "95% interval"):
            table.add_column(column, justify="left" if column == "policy" else "right", no_wrap=True)
        for outcome in _outcomes(self.comparison):
            table.add_row(
                outcome.name,
                f"{outcome.share_small:.0%}",
                f"{outcome.quality.value:.3f}",
                f"{outcome.kept.value:.1%}",
                _interval(outcome.kept),
                f"{outcome.saved.value:.1%}",
                _interval(outcome.saved),
            )
        table.add_section()
        checks, unseen = self.cross_validation, self.unseen
        table.add_row(
            "5x2 cross-validation", "", "", f"{checks.kept.value:.1%}", _interval(checks.kept),
            f"{checks.saved.value:.1%}", _interval(checks.saved),
        )  # fmt: skip
        table.add_row("  less the control", "", "", f"{checks.kept_gain.value:+.1%}", _interval(checks.kept_gain))
        table.add_row("  on unseen categories", "", "", f"{unseen.kept:.1%}", "", f"{unseen.saved:.1%}")
        table.add_row("    less the control", "", "", f"{unseen.kept_gain:+.1%}")
        return table


def _outcomes(found: Comparison) -> tuple[Outcome, ...]:
    return found.large, found.small, found.tiered, found.shuffled, found.oracle


def _flat(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _interval(estimate: Estimate) -> str:
    return f"{estimate.low:.1%} to {estimate.high:.1%}"
