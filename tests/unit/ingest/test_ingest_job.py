"""What the ingest job prints, and how it ends. None of this reaches Ray."""

import io
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from app.config import StackConfig
from app.ingest.discover import Skipped
from app.ingest.duplicates import Duplicate
from app.ingest.ingest import Progress, Report
from app.retrieval.types import KnowledgeBase
from jobs.ingest import app
from jobs.ingest_options import IngestError, groups_in, metadata_in, with_options
from jobs.ingest_report import MAX_SKIPPED_ROWS, show_progress, show_report

CONFIG = "applications: [{args: {home: HOME, models: [{id: m, source: s}]}}]\n"


def printed(report: Report) -> str:
    console = Console(file=io.StringIO(), width=100)
    show_report(console, report)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def report_with(*skipped: Skipped) -> Report:
    return Report(("a",), (), ("b", "c"), (), skipped, 1200, 60.0, KnowledgeBase("v9", 3, 1500))


def test_the_report_names_what_was_done_and_what_was_skipped() -> None:
    text = printed(report_with(Skipped("docs/[draft].pdf", "encrypted PDF; remove its password first")))
    assert "docs/[draft].pdf" in text
    assert "encrypted PDF" in text
    for figure in ("1,200", "60.0", "20.0", "3 documents in 1,500 chunks, version v9"):
        assert figure in text


def test_unsupported_types_share_a_row_and_long_lists_are_cut() -> None:
    sources = [Skipped(f"{number}.py", "unsupported type .py") for number in range(500)]
    damaged = [Skipped(f"{number}.pdf", "damaged PDF") for number in range(MAX_SKIPPED_ROWS + 9)]
    text = printed(report_with(*sources, *damaged))
    assert "and 10 more" in text
    assert len(text.splitlines()) < 90
    assert "500 files" in printed(report_with(*sources))


def test_without_a_terminal_progress_is_plain_lines() -> None:
    console = Console(file=io.StringIO(), width=40)
    with show_progress(console) as show:
        show(Progress(0, 2, 0))
        show(Progress(1, 2, 3, "docs/a.md"))
        show(Progress(2, 2, 5, "docs/b.md"))
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == "2/2 documents, 5 chunks docs/b.md\n"


def test_in_a_terminal_progress_is_a_bar() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None)
    with show_progress(console) as show:
        show(Progress(2, 2, 5, "docs/[b].md"))
    assert isinstance(console.file, io.StringIO)
    assert "2/2" in console.file.getvalue()
    assert "docs/[b].md" in console.file.getvalue()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nope"], "no such file or folder: nope"),
        (["nope/*.md"], "no such file or folder: nope/*.md"),
        ([".", "--config", "nope.yaml"], "no configuration at nope.yaml"),
        (["a.md"], "no embedding model in"),
        (["a.md", "--metadata", "year"], "give a field and its value"),
        (["a.md", "--groups", " , "], "its groups are blank"),
        (["a.md", "--embed-in", "nowhere"], "--embed-in: "),
        (["a.md", "--embed-in", "route"], "embed_in: route needs `route`"),
        (["a.md", "--allow-host", "http://a.example/"], "--allow-host: "),
        (["https://a.example/x"], "a.example is no allowed host; allow it with --allow-host"),
        (["ftp://a.example/x"], "ftp:// is not read"),
    ],
)
def test_an_expected_error_is_one_sentence_and_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.md").write_text("words")
    Path("stack.yaml").write_text(CONFIG.replace("HOME", str(tmp_path)))
    options = [] if "--config" in arguments else ["--config", "stack.yaml"]
    result = CliRunner().invoke(app, [*arguments, *options])
    assert result.exit_code == 1
    assert sentence in result.output
    assert "Traceback" not in result.output


def test_duplicates_have_a_table_of_their_own() -> None:
    duplicates = (Duplicate("b.md", "a.md", 1.0), Duplicate("c.md", "a.md", 0.9999))
    report = Report((), (), (), (), (), 0, 1.0, KnowledgeBase("v", 1, 1), duplicates, resumed=7)
    text = printed(report)
    assert "100%" in text
    assert "99%" in text
    assert "taken over from a run before" in text


def test_numbers_and_truth_values_of_the_command_line_are_typed_where_nothing_is_lost() -> None:
    typed = metadata_in(["year=2026", "rate=1.5", "release=1.10", "code=007", "final=true", "note=a=b", "no=nan"])
    assert typed == {
        "year": 2026, "rate": 1.5, "release": "1.10", "code": "007", "final": True, "note": "a=b",
    }  # fmt: skip
    assert groups_in("legal, hr,") == ("hr", "legal")


def test_options_stand_over_what_is_configured_and_hosts_are_added() -> None:
    stack = StackConfig.model_validate(
        {"models": [{"id": "m", "source": "s"}], "ingest": {"allowed_hosts": ["A.example"], "near_duplicates": 0.8}}
    )
    changed = with_options(stack, {"allowed_hosts": ["B\u00fccher.example"], "near_duplicates": None, "workers": 3})
    assert changed.ingest.allowed_hosts == ("a.example", "xn--bcher-kva.example")
    assert (changed.ingest.near_duplicates, changed.ingest.workers) == (0.8, 3)
    with pytest.raises(IngestError, match="--near-duplicates: "):
        with_options(stack, {"near_duplicates": 2})


def test_help_teaches_with_examples() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert "ray job submit -- python -m jobs.ingest docs --tenant acme" in result.output
