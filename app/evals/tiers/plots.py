"""Two figures: what routing keeps for what it saves, and whether the probabilities mean what they say."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from app.evals.plots import BLUE, INK, ORANGE, SKY, UNSCORED
from app.evals.tiers.comparison import Comparison
from app.evals.tiers.grades import Pair
from app.evals.tiers.logistic import Floats

BINS = 5  # of equally many prompts


def curve_figure(comparison: Comparison, title: str) -> Figure:
    """Share of always-large's quality kept, against the share of its cost saved."""
    figure = Figure(figsize=(7, 4.6), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", color=INK)
    small, large = comparison.small, comparison.large
    axes.plot(
        [large.saved.value, small.saved.value],
        [large.kept.value, small.kept.value],
        "--",
        color=INK,
        linewidth=1,
        label="shuffled (any share, mean)",
    )
    for curve, colour, name in (
        (comparison.oracle_curve, SKY, "oracle"),
        (comparison.tiered_curve, BLUE, "tiered, as the threshold moves"),
    ):
        axes.plot(curve.saved, curve.kept, color=colour, label=name)
    for outcome, colour, marker in (
        (comparison.tiered, BLUE, "o"),
        (comparison.shuffled, ORANGE, "s"),
        (small, INK, "v"),
        (large, INK, "^"),
    ):
        kept, saved = outcome.kept, outcome.saved
        axes.errorbar(
            saved.value,
            kept.value,
            xerr=[[max(0, saved.value - saved.low)], [max(0, saved.high - saved.value)]],
            yerr=[[max(0, kept.value - kept.low)], [max(0, kept.high - kept.value)]],
            fmt=marker,
            color=colour,
            capsize=3,
            linewidth=1,
            label=outcome.name,
        )
    axes.set_xlabel("cost saved, of always large")
    axes.set_ylabel("quality kept, of always large")
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.grid(color=UNSCORED, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="lower left")
    return figure


def calibration_figure(pairs: Sequence[Pair], probabilities: Floats, title: str) -> Figure:
    """Observed share for which small suffices, against the mean probability, in bins of equally many prompts."""
    figure = Figure(figsize=(4.6, 4.6), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", color=INK)
    axes.plot([0, 1], [0, 1], "--", color=INK, linewidth=1)
    labels = np.array([pair.small_suffices for pair in pairs], dtype=np.float64)
    for rows in np.array_split(np.argsort(probabilities, kind="stable"), BINS):
        if rows.size:
            axes.plot(probabilities[rows].mean(), labels[rows].mean(), "o", color=BLUE)
    axes.plot(probabilities, labels, "|", color=SKY, markersize=7, alpha=0.6)
    axes.set_xlabel("probability that small suffices")
    axes.set_ylabel("share for which it does")
    axes.set_xlim(0, 1)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
