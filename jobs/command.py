"""What the commands of several jobs have in common: options, and errors without tracebacks."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from app.config import ConfigError, StackConfig
from app.config.files import PROJECT
from app.evals import EvalError, StackError, TrackingError

if TYPE_CHECKING:  # it takes seconds, and not every job embeds
    from app.retrieval.embedder import Embedder

USER_ERROR = 2
KEEP = "Where results go"

Config = Annotated[Path | None, typer.Option(help="The stack's YAML. By default that of the running stack.")]
Experiment = Annotated[str, typer.Option(help="MLflow experiment; made when it is not there.", rich_help_panel=KEEP)]
MlflowUrl = Annotated[
    str | None, typer.Option(help="MLflow server. By default observability.mlflow_url.", rich_help_panel=KEEP)
]
Recording = Annotated[
    bool,
    typer.Option("--record/--no-record", help="Record the run in MLflow, or only print it.", rich_help_panel=KEEP),
]


@contextmanager
def explained(job: str) -> Iterator[None]:
    """What a person can mend ends the command with a sentence and exit code 2."""
    try:
        yield
    except (EvalError, ConfigError) as error:
        Console(stderr=True).print(f"{job}: {error}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(USER_ERROR) from None


def tracking_url(stack: StackConfig, wanted: str | None, recording: bool) -> str | None:
    """Where to record; None: nowhere. Raises TrackingError when that is not known."""
    if not recording:
        return None
    url = wanted or stack.observability.mlflow_url
    if url is None:
        raise TrackingError(
            "no MLflow server is set; pass --mlflow-url, set observability.mlflow_url, or pass --no-record"
        )
    return url


def in_project(path: Path) -> Path:
    """Relative paths lie in the working directory, else in the project."""
    return path if path.exists() else PROJECT / path


def open_embedder(stack: StackConfig) -> "Embedder":
    """The stack's embedder. Raises StackError without the model."""
    from app.retrieval.embedder import Embedder

    try:
        return Embedder(stack.path(stack.embedder.directory), stack.embedder.threads)
    except FileNotFoundError as error:
        raise StackError(str(error)) from None
