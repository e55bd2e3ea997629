"""Train the relevance of passages on questions with gold passages, and report how it orders and when it abstains.

    python -m jobs.train_relevance
    python -m jobs.train_relevance --dataset mine.jsonl --documents handbook/ --out .sextant/relevance.json

No stack need run: the documents go into a knowledge base in a temporary folder. Only the training half of the questions
is read. What is reported is of cross-validation: no question is judged by weights that it trained.
"""

import asyncio
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.config import StackConfig
from app.config.files import PROJECT, load_stack
from app.evals.errors import DatasetError
from app.evals.provenance import git_commit
from app.evals.retrieval.corpus import Document, digest, documents
from app.evals.retrieval.index import TENANT, cut_all, fill, parse_all
from app.evals.retrieval.questions import QUESTIONS, load_questions, locate_all
from app.evals.retrieval.vectors import VectorCache
from app.ingest.parse import READERS
from app.retrieval.search.relevance import MODEL_FILE, probability
from app.retrieval.types import Reader
from jobs.command import KEEP, Config, check_output, explained, in_project, open_embedder
from jobs.console import job_console
from jobs.relevance.fit import as_relevance, calibrated, fit, held_out_logits, rescaled
from jobs.relevance.report import abstention, balanced_threshold, ordering, table
from jobs.relevance.table import Asked, tabulate

LEAST_QUESTIONS = 40

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def train_relevance(
    dataset: Annotated[Path, typer.Option(help="JSONL file of questions.")] = QUESTIONS,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--documents",
            help="Folder of the documents that they are about; by default those of the shipped questions.",
        ),
    ] = None,
    config: Config = None,
    out: Annotated[Path, typer.Option(help="File of the weights.", rich_help_panel=KEEP)] = MODEL_FILE,
) -> None:
    """Train the weights, choose the threshold, and say how both do in cross-validation.

    Set the threshold that is printed as retrieval.min_score, and retrieval.relevance to the file.

    Exit codes: 0 trained; 2 it could not be trained.
    """
    console = job_console()
    with explained("train_relevance"):
        check_output(out)
        stack = load_stack(config)
        questions = load_questions(in_project(dataset))
        asked, corpus = asyncio.run(_ask(stack, in_project(dataset), folder, console))
        if len({each.question.question.id for each in asked}) < LEAST_QUESTIONS:
            raise DatasetError(f"{dataset}: fewer than {LEAST_QUESTIONS} questions of the training half can be asked")
        with console.status("training and cross-validating"):
            logits = held_out_logits(asked)
            fitted = calibrated(fit(asked), asked, logits)
        card: dict[str, object] = {
            "made": "jobs.train_relevance",
            "dataset_sha256": questions.sha256,
            "corpus": corpus,
            "questions": len({each.question.question.id for each in asked}),
            "searches": len(asked),
            "git_commit": git_commit(PROJECT),
        }
        # Held-out logits on the scale of what ships.
        scaled = rescaled(asked, logits)
        best = [probability(float(values.max())) for values in scaled]
        threshold = round(balanced_threshold(asked, best), 3)
        plain = ordering(asked, [-np.arange(len(each.rows), dtype=np.float64) for each in asked])
        ours = ordering(asked, logits)
        console.print(table({"plain RRF": plain, "relevance": ours}))
        found = abstention(asked, best, threshold, with_withheld=False)
        with_withheld = abstention(asked, best, threshold, with_withheld=True)
        for what, judged in (("written questions", found), ("and those whose documents are withheld", with_withheld)):
            console.print(
                f"abstention at {threshold:.3f}, {what}: F1 {judged.f1:.3f}, precision {judged.precision:.3f}, recall "
                f"{judged.recall:.3f}, AUC {judged.auc:.3f}",
                markup=False,
                soft_wrap=True,
            )
        card["cross_validated"] = {
            "plain_rrf": {name: round(value, 4) for name, value in plain.items()},
            "relevance": {name: round(value, 4) for name, value in ours.items()},
            "abstention_f1": round(found.f1, 4),
            "abstention_auc": round(found.auc, 4),
            "abstention_f1_with_withheld": round(with_withheld.f1, 4),
            "abstention_auc_with_withheld": round(with_withheld.auc, 4),
        }
        as_relevance(fitted, threshold, card).save(out)
        console.print(f"weights: {out}; set retrieval.min_score: {threshold}", markup=False, soft_wrap=True)


async def _ask(stack: StackConfig, dataset: Path, folder: Path | None, console: Console) -> tuple[list[Asked], str]:
    """The training half asked of all documents; and what tells these documents from others. Raises EvalError."""
    from app.retrieval.embedded_store import EmbeddedStore

    corpus = documents() if folder is None else _below(folder)
    parsed, _ = parse_all(corpus)
    located, _ = locate_all(load_questions(dataset).of("train"), parsed)
    embedder = open_embedder(stack)
    cache = VectorCache.open(stack.path(stack.embedder.directory) / "model.onnx")
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    try:
        chunks = cut_all(parsed, embedder)
        with (
            tempfile.TemporaryDirectory(prefix="sextant-relevance-") as scratch,
            Progress(*columns, console=console, transient=True) as progress,
        ):
            store = EmbeddedStore(Path(scratch), embedder.dimensions)
            try:
                embedding = progress.add_task("embedding passages", total=len(chunks))
                await fill(store, chunks, embedder, cache, lambda done: progress.update(embedding, completed=done))
                asking = progress.add_task("asking questions", total=len(located))
                vectors = cache.embed([each.question.query for each in located], embedder)
                asked = await tabulate(store, Reader(TENANT), located, vectors, lambda: progress.advance(asking))
            finally:
                await store.close()
    finally:
        cache.close()
    return asked, digest(corpus)


def _below(folder: Path) -> list[Document]:
    """Files of a folder by their paths in it. Raises DatasetError."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix.lower() in READERS]
    if not paths:
        raise DatasetError(f"{folder}: holds no document that can be read")
    return [Document(path.relative_to(folder).as_posix(), path.read_bytes()) for path in paths]


if __name__ == "__main__":
    app(prog_name="python -m jobs.train_relevance")
