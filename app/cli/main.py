"""The command itself: its parts, the stack they speak to, and errors without tracebacks."""

import functools
import sys
from typing import Annotated

import typer
from rich.text import Text

from app.cli import cache, cache_judge, guard, kb, keys, money
from app.cli.connection import CommandFailed, find_stack
from app.cli.output import errors

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True, rich_markup_mode="rich")
app.add_typer(keys.app, name="keys")
app.add_typer(money.budgets, name="budgets")
app.command()(money.usage)
app.add_typer(money.ledger, name="ledger")
cache.app.command()(cache_judge.judge)
app.add_typer(cache.app, name="cache")
app.add_typer(guard.app, name="guard")
app.add_typer(kb.app, name="kb")


@app.callback()
def sextant(
    context: typer.Context,
    url: Annotated[
        str | None,
        typer.Option(envvar="SEXTANT_URL", help="The stack; by default the one that runs on SEXTANT_HOME."),
    ] = None,
) -> None:
    """Administer a Sextant stack. The admin key comes from SEXTANT_ADMIN_KEY or SEXTANT_HOME/admin_key.

    [bold]First steps[/]

    sextant keys create --tenant acme --rpm 60 --budget 100/month

    sextant usage --by tenant
    """
    context.obj = functools.partial(find_stack, url)


def main() -> None:
    """Entry point. Exits with 1 when something failed, 2 when the command line is wrong."""
    try:
        app()
    except CommandFailed as failure:
        errors.print(Text.assemble(("✗ ", "red"), str(failure)))
        sys.exit(1)
