"""Two figures: how long answers took, and how each question fared.

Figures are made without pyplot: it keeps a global list of them and picks a backend by the display.
A bare `Figure` is drawn by Agg when it is saved.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from app.evals.statistics import percentile
from app.evals.task import Evaluation

# Okabe and Ito's colours, which stay apart for colour-blind readers.
ORANGE, BLUE, SKY = "#d55e00", "#0072b2", "#56b4e9"
UNSCORED, INK = "#e6e6e6", "#333333"
OUTCOME = LinearSegmentedColormap.from_list("outcome", [ORANGE, "#f5d76e", BLUE])
MOST_LABELS = 60  # more ids than this under the columns cannot be read


def latency_figure(evaluation: Evaluation) -> Figure:
    """Histogram of the latencies (s) of the answers that did not fail, with p50 and p95 marked."""
    latencies = [r.answer.latency_s for r in evaluation.results if r.answer.error is None]
    figure = Figure(figsize=(7, 3.6), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(f"Latency of {len(latencies)} answers, {evaluation.dataset.name}", loc="left", color=INK)
    axes.set_xlabel("seconds to the end of the answer")
    axes.set_ylabel("answers")
    axes.spines[["top", "right"]].set_visible(False)
    if not latencies:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no request succeeded", transform=axes.transAxes, ha="center", color=INK)
        return figure
    axes.hist(latencies, bins=min(30, max(5, round(len(latencies) ** 0.5 * 2))), color=SKY, edgecolor="white")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    # A rug shows every answer: a histogram of few values hides where they are.
    axes.plot(latencies, np.zeros(len(latencies)), "|", color=INK, markersize=9, clip_on=False)
    for q, colour, style in ((50, BLUE, "-"), (95, ORANGE, "--")):
        at = percentile(latencies, q)
        axes.axvline(at, color=colour, linestyle=style, label=f"p{q} = {at:.2f} s")
    axes.set_xlim(left=0)
    axes.legend(frameon=False)
    return figure


def outcomes_figure(evaluation: Evaluation) -> Figure:
    """A grid of the scores: a row for each scorer, a column for each question, in dataset order."""
    results = evaluation.results
    names = list(results[0].scores) if results else []
    scores = [[result.scores[name] for result in results] for name in names]
    grid = np.array([[np.nan if s is None else s for s in row] for row in scores], dtype=np.float64)
    labelled = len(results) <= MOST_LABELS
    width = min(24.0, max(7.0, 2.5 + 0.24 * len(results)))
    height = 1.6 + 0.4 * len(names) + (1.2 if labelled else 0.3)
    figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(f"Outcome of each question, {evaluation.dataset.name}", loc="left", color=INK)
    axes.set_facecolor(UNSCORED)
    if grid.size:
        axes.pcolormesh(grid, cmap=OUTCOME, vmin=0, vmax=1, edgecolors="white", linewidth=1)
    for column, result in enumerate(results):
        if result.answer.error is not None:
            axes.axvspan(column, column + 1, facecolor=UNSCORED, edgecolor=INK, hatch="xxxx", linewidth=0)
    axes.set_yticks(np.arange(len(names)) + 0.5, names)
    axes.invert_yaxis()
    if labelled:
        ids = [result.sample.id for result in results]
        axes.set_xticks(np.arange(len(ids)) + 0.5, ids, rotation=90, fontsize=7)
    else:
        axes.set_xlabel(f"{len(results)} questions")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.legend(handles=_legend(), loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    return figure


def _legend() -> Sequence[Patch]:
    return (
        Patch(facecolor=BLUE, label="1, right"),
        Patch(facecolor=OUTCOME(0.5), label="in part"),
        Patch(facecolor=ORANGE, label="0, wrong"),
        Patch(facecolor=UNSCORED, label="unscored"),
        Patch(facecolor=UNSCORED, edgecolor=INK, hatch="xxxx", linewidth=0, label="request failed"),
    )
