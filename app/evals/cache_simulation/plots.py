"""The simulation's figure: error and hits over the stream."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from app.evals.cache_simulation.compare import BY_COSINE, FIXED, FIXED_JUDGE, PUBLISHED, VERIFIED, Trial
from app.evals.cache_simulation.run import Outcome
from app.evals.plots import BLUE, INK, ORANGE, SKY, UNSCORED

COLOURS = {VERIFIED: BLUE, FIXED: ORANGE, FIXED_JUDGE: "#e69f00", BY_COSINE: SKY, PUBLISHED: "#999999"}
FEWEST_HITS = 20  # before them the share of wrong ones means nothing
WINDOW = 1000  # requests over which hits are averaged


def stream_figure(trials: Sequence[Trial]) -> Figure:
    """A column for each bound: the share of wrong hits so far, and hits in the last `WINDOW` requests; a line for each
    seed, of verified and its opponents."""
    bounds = sorted({trial.bound for trial in trials})
    figure = Figure(figsize=(4.2 * len(bounds), 6), dpi=150, layout="constrained")
    grid = figure.subplots(2, len(bounds), sharex=True, squeeze=False)
    for column, bound in enumerate(bounds):
        errors, hits = grid[0][column], grid[1][column]
        errors.set_title(f"bound {bound:.0%}", loc="left", color=INK)
        errors.axhline(bound, color=INK, linewidth=1, linestyle="--")
        errors.set_ylim(0, 3 * bound)
        hits.set_ylim(0, 1)
        hits.set_xlabel("requests")
        for trial in (trial for trial in trials if trial.bound == bound):
            for name, outcome in trial.outcomes().items():
                if outcome is not None:
                    _draw(errors, hits, outcome, name, labelled=trial.seed == trials[0].seed)
        for axes in (errors, hits):
            axes.yaxis.set_major_formatter(PercentFormatter(1))
            axes.grid(color=UNSCORED, linewidth=0.6)
            axes.spines[["top", "right"]].set_visible(False)
    grid[0][0].set_ylabel("wrong among the hits so far")
    grid[1][0].set_ylabel(f"hits in the last {WINDOW:,} requests")
    seen = {label: line for axes in figure.axes for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(seen.values(), seen.keys(), loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    return figure


def _draw(errors: Axes, hits: Axes, outcome: Outcome, name: str, *, labelled: bool) -> None:
    hit, wrong = np.array(outcome.hits, dtype=float), np.array(outcome.wrong, dtype=float)
    so_far = np.cumsum(hit)
    shown = so_far >= FEWEST_HITS
    steps = np.arange(1, len(hit) + 1)
    width, order = (1.6, 3) if name == VERIFIED else (0.8, 2)
    label, colour = name if labelled else None, COLOURS[name]
    share = np.cumsum(wrong)[shown] / so_far[shown]
    errors.plot(steps[shown], share, label=label, color=colour, linewidth=width, zorder=order)
    if len(hit) >= WINDOW:
        recent = np.convolve(hit, np.ones(WINDOW) / WINDOW, "valid")
        hits.plot(steps[WINDOW - 1 :], recent, color=colour, linewidth=width, zorder=order)
