"""`sextant keys`."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from app.cli import words
from app.cli.connection import segment, stack_of
from app.cli.output import Json, console, print_facts, print_json, print_table, tell

app = typer.Typer(no_args_is_help=True, help="API keys: who may ask, for which models, how much.")

KeyId = Annotated[str, typer.Argument(help="The key's id, as `sextant keys list` shows it.", metavar="KEY_ID")]
Rpm = Annotated[int | None, typer.Option("--rpm", min=1, help="Requests per minute.")]
Tpm = Annotated[int | None, typer.Option("--tpm", min=1, help="Tokens per minute.")]
Concurrent = Annotated[int | None, typer.Option(min=1, help="Requests at the same time.")]


@app.command()
def create(
    context: typer.Context,
    tenant: Annotated[str, typer.Option(help="Whom the key belongs to; made when it is new.")],
    customer: Annotated[str | None, typer.Option(help="The tenant's customer; made when it is new.")] = None,
    name: Annotated[str, typer.Option(help="What you call it.")] = "",
    model: Annotated[list[str] | None, typer.Option(help="A model it may ask for (repeat); by default all.")] = None,
    group: Annotated[
        list[str] | None, typer.Option(help="A group whose documents it sees (repeat); by default only everybody's.")
    ] = None,
    expires: Annotated[str | None, typer.Option(help="A date, a time, or a duration such as 30d.")] = None,
    rpm: Rpm = None,
    tpm: Tpm = None,
    concurrent: Concurrent = None,
    budget: Annotated[list[str] | None, typer.Option(help="100/month, 5/day, 20/total, 3/12h (repeat).")] = None,
    metadata: Annotated[list[str] | None, typer.Option(help="name=value (repeat).")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse a tenant or customer that does not exist.")] = False,
    as_json: Json = False,
) -> None:
    """Make a key. It is shown once: only its hash is kept.

    [bold]Examples[/]

    sextant keys create --tenant acme --name "web shop"

    sextant keys create --tenant acme --customer eu --model chat --rpm 60 --budget 100/month --expires 90d
    """
    body: dict[str, Any] = {"tenant": tenant, "customer": customer, "name": name, "strict": strict, "models": model}
    body["groups"] = group or []
    body["metadata"] = words.labels(metadata or [])
    body["budgets"] = [words.budget(text) for text in budget or []]
    body["limits"] = _bounds(rpm, tpm, concurrent) or None
    body["expires_at"] = words.moment_s(expires, datetime.now(UTC)) if expires else None
    _print_issued(stack_of(context).ask("POST", "keys", body=body), as_json)


@app.command("list")
def list_keys(
    context: typer.Context,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None,
    customer: Annotated[str | None, typer.Option(help="Only this customer's (with --tenant).")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Revoked and expired ones too.")] = False,
    as_json: Json = False,
) -> None:
    """List keys, newest first.

    [bold]Example[/]

    sextant keys list --tenant acme --all
    """
    query = {"tenant": tenant, "customer": customer, "active": not everything}
    keys = list(stack_of(context).all_of("keys", query))
    if as_json:
        print_json(keys)
    else:
        columns = ["id", "state", "tenant", "customer", "name", "hint", "created_at", "expires_at"]
        print_table(keys, columns, "No keys. Make one: sextant keys create --tenant NAME")


@app.command()
def show(context: typer.Context, key_id: KeyId, as_json: Json = False) -> None:
    """Show a key with its limits and budgets."""
    stack, subject = stack_of(context), {"subject": words.subject(key_id)}
    key = stack.ask("GET", f"keys/{segment(key_id)}")
    key["limits"] = next(stack.all_of("limits", subject, "subject"), None)
    key["budgets"] = list(stack.all_of("budgets", subject))
    if as_json:
        print_json(key)
        return
    limits, budgets = key.pop("limits"), key.pop("budgets")
    print_facts(key)
    if limits:
        print_facts({name: limits[name] for name in LIMITS})
    if budgets:
        print_table(budgets, ["id", "period", "amount_usd", "spent_usd", "left_usd"], "")


@app.command()
def rotate(
    context: typer.Context,
    key_id: KeyId,
    grace: Annotated[str, typer.Option(help="How long the old one is still accepted: 15m, 24h.")] = "0s",
    as_json: Json = False,
) -> None:
    """Exchange a key for a new one. Its id, limits, budgets and usage stay.

    [bold]Example[/]

    sextant keys rotate key_1f... --grace 24h
    """
    body = {"grace_s": words.duration_s(grace)}
    _print_issued(stack_of(context).ask("POST", f"keys/{segment(key_id)}/rotate", body=body), as_json)


@app.command()
def revoke(context: typer.Context, key_id: KeyId, as_json: Json = False) -> None:
    """End a key for good, on every process within two seconds."""
    key = stack_of(context).ask("POST", f"keys/{segment(key_id)}/revoke")
    tell(f"{key_id} is revoked.", key, as_json)


@app.command()
def limits(
    context: typer.Context,
    subject: Annotated[
        str, typer.Argument(help="A key's id, or tenant:acme, customer:acme/eu, model:acme/chat, model:*/chat.")
    ],
    rpm: Rpm = None,
    tpm: Tpm = None,
    concurrent: Concurrent = None,
    clear: Annotated[bool, typer.Option("--clear", help="Leave it without limits.")] = False,
    as_json: Json = False,
) -> None:
    """Show or set limits. What is set replaces all that was set before.

    [bold]Examples[/]

    sextant keys limits key_1f... --rpm 60 --tpm 100000

    sextant keys limits 'model:*/chat' --concurrent 8

    sextant keys limits tenant:acme --clear
    """
    stack, about, bounds = stack_of(context), words.subject(subject), _bounds(rpm, tpm, concurrent)
    if clear and bounds:
        raise typer.BadParameter("give limits or --clear, not both")
    if clear:
        answer = stack.ask("DELETE", "limits", {"subject": about})
        tell(f"{about} has no limits any more.", answer, as_json)
        return
    if bounds:
        rule = stack.ask("PUT", "limits", body={"subject": about, **bounds})
    else:
        rule = next(stack.all_of("limits", {"subject": about}, "subject"), None)
    if as_json:
        print_json(rule)
    else:
        print_table([rule] if rule else [], ["subject", *LIMITS], f"No limits are set for {about}.")


LIMITS = ("requests_per_minute", "tokens_per_minute", "concurrent_requests")


def _bounds(*values: int | None) -> dict[str, int]:
    return {name: value for name, value in zip(LIMITS, values, strict=True) if value is not None}


def _print_issued(issued: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(issued)
        return
    for made in issued["made"]:
        console.print(f"New: {made}", markup=False)
    console.print(f"Key {issued['id']}, shown this once:")
    # Whole and bare, so that it can be copied.
    print(issued["key"])
