"""What the commands of several jobs have in common: options, and errors without tracebacks."""

import tempfile
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
    except BrokenPipeError:
        raise  # a reader such as `head` has gone: typer ends quietly then
    except (EvalError, ConfigError, OSError) as error:
        Console(stderr=True).print(f"{job}: {_sentence(error)}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(USER_ERROR) from None


def check_output(path: Path, suffix: str | None = None) -> None:
    """Before a training whose result would be lost otherwise. Makes the folder; raises EvalError when the file could
    not be written there, or its name has another suffix."""
    if suffix is not None and path.suffix != suffix:
        raise EvalError(f"{path}: the name must end in {suffix}")
    if path.exists() and not path.is_file():
        raise EvalError(f"{path} is there and is no file; name another place")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass  # the folder takes files
    except OSError as error:
        raise EvalError(f"{path} cannot be written: {_sentence(error)}") from None


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


def is_described(stack: StackConfig, config: Path | None, base_url: str) -> bool:
    """Whether `stack` is known to be the configuration of what runs at `base_url`: somebody named the file for it, or
    the launcher wrote that URL beside the configuration."""
    if config is not None:
        return True
    from app.evals.stack import running_base_url  # loads the OpenAI client

    try:
        is_launched = (stack.home / "run" / "stack.json").is_file()
        return is_launched and base_url.rstrip("/") == running_base_url(stack.home).rstrip("/")
    except StackError:
        return False


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


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"  # without the number
    return str(error) or type(error).__name__
