"""`sextant cache`."""

from typing import Annotated, Any

import typer

from app.cli.connection import stack_of
from app.cli.output import Json, console, print_facts, print_json, tell

app = typer.Typer(no_args_is_help=True, help="The cache: how it does, and how to make it forget.")


@app.command()
def stats(context: typer.Context, as_json: Json = False) -> None:
    """Show hits, misses and sizes. The exact tier's are those of the replica that answers."""
    answer = stack_of(context).ask("GET", "cache")
    if as_json:
        print_json(answer)
        return
    for tier in ("exact", "semantic"):
        counters: dict[str, Any] | None = answer[tier]
        if counters is None:
            console.print(f"The {tier} tier is off.")
            continue
        console.print(f"[bold]{tier}[/] " + (_rate(counters) if tier == "exact" else ""))
        print_facts(counters)


@app.command()
def purge(
    context: typer.Context,
    tenant: Annotated[str | None, typer.Option(help="Forget what was answered to this tenant.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Forget what was answered to anybody.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --all: do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Forget answers, on every replica within a second.

    Changes to prompts, documents, policies and models need none: their answers are found no more by themselves.

    [bold]Examples[/]

    sextant cache purge --tenant acme

    sextant cache purge --all --yes
    """
    if everything == (tenant is not None):
        raise typer.BadParameter("give --tenant or --all")
    if everything and not yes:
        typer.confirm("Forget the answers of all tenants?", abort=True, err=True)
    body = {"all": True} if everything else {"tenant": tenant}
    answer = stack_of(context).ask("POST", "cache/purge", body=body)
    purged = answer["purged"]
    tell(f"Forgotten: {purged['exact']:,} exact records, {purged['semantic']:,} semantic ones.", answer, as_json)


def _rate(counters: dict[str, Any]) -> str:
    hits = counters["memory_hits"] + counters["store_hits"]
    asked = hits + counters["misses"]
    return f"{hits / asked:.1%} of {asked:,} look-ups were hits" if asked else "nobody has asked yet"
