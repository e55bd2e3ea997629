"""The judge's figure: what is hit for what share of wrong hits."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from app.evals.cache_judge.report import CONTRASTS, COSINE, JUDGE, JudgeReport
from app.evals.plots import BLUE, INK, ORANGE, SKY, UNSCORED

COLOURS = {COSINE: ORANGE, CONTRASTS: SKY, JUDGE: BLUE}
FEWEST_HITS = 10  # the first few give shares that mean nothing


def curve_figure(report: JudgeReport) -> Figure:
    """Share of duplicates hit against the share of hits that are wrong, a line for each method."""
    figure = Figure(figsize=(7, 4.6), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(f"Hits and wrong hits, {report.pairs} pairs that did not train", loc="left", color=INK)
    for method, curve in report.curves.items():
        hit = np.cumsum(curve.same) / max(curve.same.sum(), 1)
        shown = np.isfinite(curve.wrong) & (np.arange(len(hit)) >= FEWEST_HITS)
        axes.plot(curve.wrong[shown], hit[shown], color=COLOURS[method], label=method)
    point = report.shipped
    axes.errorbar(
        point.wrong.value,
        point.duplicates,
        xerr=[[point.wrong.value - point.wrong.low], [point.wrong.high - point.wrong.value]],
        fmt="o",
        color=BLUE,
        capsize=3,
        linewidth=1,
        label="shipped threshold, 95% interval",
    )
    axes.axvline(0.02, color=INK, linewidth=1, linestyle="--")
    axes.set_xlabel("hits that are wrong")
    axes.set_ylabel("duplicates hit")
    axes.set_xlim(0, 0.5)
    axes.set_ylim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.grid(color=UNSCORED, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    return figure
