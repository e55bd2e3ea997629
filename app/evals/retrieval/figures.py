"""Two figures: recall by depth, and what confidence tells of questions that have no answer."""

import numpy as np
from matplotlib.figure import Figure

from app.evals.plots import BLUE, INK, ORANGE, SKY
from app.evals.retrieval.metrics import DEPTH, recall
from app.evals.retrieval.report import RetrievalReport
from app.evals.statistics import bootstrap_interval

_COLOURS = (SKY, ORANGE, INK, BLUE, "#009e73", "#cc79a7")


def recall_figure(report: RetrievalReport) -> Figure:
    """Recall@k for k to 10, a line a system; the subject's with its 95% interval."""
    figure = Figure(figsize=(7, 4), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    depths = np.arange(1, DEPTH + 1)
    for system, colour in zip(report.systems, _COLOURS * 2, strict=False):
        shares = [[recall(each.ranks, int(k)) for each in system.answerable] for k in depths]
        means = [float(np.mean(values)) for values in shares]
        if system is report.subject:
            ends = [bootstrap_interval(values) or (mean, mean) for values, mean in zip(shares, means, strict=True)]
            axes.fill_between(depths, [low for low, _ in ends], [high for _, high in ends], color=colour, alpha=0.15)
        axes.plot(depths, means, marker="o", markersize=3, color=colour, label=system.name)
    axes.set_title(f"Recall by depth, {report.title}", loc="left", color=INK)
    axes.set_xlabel("passages")
    axes.set_ylabel("share of gold passages found")
    axes.set_xticks(depths)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def abstention_figure(report: RetrievalReport) -> Figure:
    """ROC curves: of questions without an answer the share that is told, against answers that are withheld."""
    figure = Figure(figsize=(5, 5), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    for system, colour in zip(report.systems, _COLOURS * 2, strict=False):
        without = np.array([each.confidence for each in system.outcomes if not each.question.is_answerable])
        having = np.array([each.confidence for each in system.answerable])
        if not len(without) or not len(having):
            continue
        limits = np.concatenate(([-np.inf], np.unique(np.concatenate((without, having))), [np.inf]))
        told = [(without < limit).mean() for limit in limits]
        withheld = [(having < limit).mean() for limit in limits]
        axes.plot(withheld, told, color=colour, label=f"{system.name}, AUC {system.abstention().auc:.3f}")
    axes.plot([0, 1], [0, 1], color="#cccccc", linewidth=1)
    axes.set_title(f"Abstention, {report.title}", loc="left", color=INK)
    axes.set_xlabel("answerable questions refused")
    axes.set_ylabel("unanswerable questions refused")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    return figure
