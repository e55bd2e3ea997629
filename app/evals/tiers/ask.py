"""Asking a model the prompts that it has not answered yet, and keeping what comes back."""

from dataclasses import replace

from rich.console import Console

from app.evals.dataset import Dataset
from app.evals.progress import show_progress
from app.evals.solver import ChatSolver
from app.evals.task import Graded, Task, run_task
from app.evals.tiers.graders import grade_answer
from app.evals.tiers.grades import GradeBook, Reply

GRADE = "grade"


async def ask_missing(book: GradeBook, dataset: Dataset, solver: ChatSolver, concurrency: int, console: Console) -> int:
    """Ask, grade and keep each answer as it comes, so that an interrupted run loses none.

    Returns how many requests failed; nothing is kept of those. An answer without a count of its tokens
    is one of them: it has no cost.
    """
    samples = book.missing(dataset, solver.model)
    failed = 0
    console.print(f"{solver.model}: {len(samples)} of {len(dataset.samples)} prompts to ask", markup=False)
    with show_progress(console, len(samples)) as advance:

        def keep(graded: Graded) -> None:
            nonlocal failed
            advance(graded)
            sample, answer, grade = graded.sample, graded.answer, graded.scores[GRADE]
            if grade is None or answer.prompt_tokens is None or answer.completion_tokens is None:
                failed += 1
                return
            tokens = answer.prompt_tokens, answer.completion_tokens
            book.add(Reply(sample.id, sample.question, solver.model, grade, *tokens, answer.text, solver.max_tokens))

        task = Task(replace(dataset, samples=samples), solver, {GRADE: grade_answer})
        await run_task(task, concurrency=concurrency, on_result=keep)
    return failed
