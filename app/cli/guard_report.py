"""What the rails hold of one text, in a table for a person."""

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from app.cli.output import cell, console

if TYPE_CHECKING:  # it brings the rails along
    from app.guard.explain import Explained, Judged

AROUND = 30  # characters shown before and behind a span
LONGEST_SPAN = 120


def report(text: str, explained: "Explained") -> bool:
    """Print it. Whether a request with this text would pass: what is only masked does."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("rail", "rule", "score", "threshold", "mode", "verdict", "ms", "version"):
        numeric = name in ("score", "threshold", "ms")
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for each in explained.judged:
        verdict = each.verdict
        found = verdict.rule != ""
        table.add_row(
            Text(cell("", verdict.rail)),
            Text(cell("", verdict.rule)),
            f"{verdict.score:.3f}" if found else "",
            f"{each.settings.threshold:g}",
            verdict.mode,
            _word(each),
            f"{verdict.latency_ms:.1f}",
            Text(cell("", verdict.version)),
        )
    if explained.judged:
        console.print(table)
    else:
        console.print("The policy has no rails at this place.")
    for each in explained.judged:
        if each.verdict.flagged and each.verdict.end > each.verdict.start:
            console.print(_marked(text, each), soft_wrap=True)
    if explained.masked is None:
        console.print("[bold]Masked[/] unknown: a rail that masks has failed.")
    elif explained.spans:
        console.print(Text("Masked ", "bold").append(_shown(explained.masked), "not bold"), soft_wrap=True)
    refused = any(each.counts for each in explained.judged if each.settings.mode != "mask")
    return not refused and not explained.failed


def _word(each: "Judged") -> Text:
    if each.verdict.failure:
        return Text(f"failed ({each.verdict.failure})", "yellow")
    return Text("flagged", "red") if each.verdict.flagged else Text("passed", "green")


def _marked(text: str, each: "Judged") -> Text:
    """The span with what is around it: `injection.override 0:32  »Ignore all previous instructions« and ...`."""
    verdict = each.verdict
    start, end = verdict.start, verdict.end
    span = text[start:end]
    if len(span) > LONGEST_SPAN:
        span = f"{span[: LONGEST_SPAN // 2]} … {span[-LONGEST_SPAN // 2 :]}"
    before = ("…" if start > AROUND else "") + text[max(0, start - AROUND) : start]
    behind = text[end : end + AROUND] + ("…" if len(text) > end + AROUND else "")
    line = Text(f"{cell('', verdict.name)} {start}:{end}  ", "dim")
    line.append(_one_line(before), "not dim").append(f"»{_one_line(span)}«", "not dim bold red")
    return line.append(_one_line(behind), "not dim")


def _one_line(text: str) -> str:
    return _shown(text).replace("\n", " ")


def _shown(text: str) -> str:
    """Nothing in a text may steer the terminal."""
    return "\n".join(cell("", line) for line in text.replace("\r\n", "\n").replace("\t", " ").split("\n"))
