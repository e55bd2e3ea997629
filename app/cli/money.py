"""`sextant budgets`, `sextant usage` and `sextant ledger`."""

from typing import Annotated, Any

import typer

from app.cli import words
from app.cli.connection import segment, stack_of
from app.cli.output import Json, console, print_facts, print_json, print_table, tell

budgets = typer.Typer(no_args_is_help=True, help="Money that keys, customers, tenants and models may spend.")
ledger = typer.Typer(no_args_is_help=True, help="The counters behind limits and budgets.")

COLUMNS = ["id", "subject", "period", "amount_usd", "spent_usd", "reserved_usd", "left_usd", "resets_at"]
SUMS = ["requests", "prompt_tokens", "cached_tokens", "completion_tokens", "cost_usd"]
SUBJECT = "A key's id, or tenant:acme, customer:acme/eu, model:acme/chat, model:*/chat."


@budgets.command("set")
def set_budget(
    context: typer.Context,
    subject: Annotated[str, typer.Argument(help=SUBJECT)],
    amount: Annotated[str, typer.Argument(help="USD and period: 100/month, 5/day, 20/total; 3/12h: any 12 hours.")],
    as_json: Json = False,
) -> None:
    """Set a budget. A subject has one for a period; setting it again changes the amount.

    [bold]Examples[/]

    sextant budgets set tenant:acme 100/month

    sextant budgets set key_1f... 0.50/1h
    """
    budget = stack_of(context).ask("POST", "budgets", body={"subject": words.subject(subject), **words.budget(amount)})
    if as_json:
        print_json(budget)
    else:
        print_facts(budget)


@budgets.command("list")
def list_budgets(
    context: typer.Context,
    subject: Annotated[str | None, typer.Argument(help=f"{SUBJECT} By default all.")] = None,
    as_json: Json = False,
) -> None:
    """List budgets, with what is spent and left."""
    query = {"subject": words.subject(subject) if subject else None}
    found = list(stack_of(context).all_of("budgets", query))
    if as_json:
        print_json(found)
    else:
        print_table(found, COLUMNS, "No budgets. Set one: sextant budgets set tenant:NAME 100/month")


@budgets.command()
def delete(
    context: typer.Context, budget_id: Annotated[str, typer.Argument(help="Its id.")], as_json: Json = False
) -> None:
    """Lift a budget: from then on nothing holds its subject back."""
    answer = stack_of(context).ask("DELETE", f"budgets/{segment(budget_id)}")
    tell(f"{budget_id} is deleted.", answer, as_json)


def usage(
    context: typer.Context,
    by: Annotated[
        str, typer.Option(help="day, tenant, customer, key, model, provider, operation, outcome, batch; commas join.")
    ] = "day,model",
    start: Annotated[str | None, typer.Option("--from", help="First day, UTC; by default the month's.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="The day after the last; by default tomorrow.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None,
    customer: Annotated[str | None, typer.Option(help="Only this customer's (with --tenant).")] = None,
    key: Annotated[str | None, typer.Option(help="Only this key's (its id).")] = None,
    model: Annotated[str | None, typer.Option(help="Only this model's.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, for spreadsheets.")] = False,
    as_json: Json = False,
) -> None:
    """What was spent.

    [bold]Examples[/]

    sextant usage --by customer --tenant acme

    sextant usage --by key,model --from 2026-10-01 --to 2026-11-01 --csv > october.csv
    """
    if as_csv and as_json:
        raise typer.BadParameter("give --csv or --json, not both")
    stack = stack_of(context)
    query: dict[str, Any] = {"group_by": by, "from": start, "to": end}
    query |= {"tenant": tenant, "customer": customer, "key": key, "model": model}
    if as_csv:
        for text in stack.table("spend", query):
            print(text, end="")
        return
    answer = stack.ask("GET", "spend", query)
    if as_json:
        print_json(answer)
        return
    console.print(f"{answer['from'][:10]} up to {answer['to'][:10]}, UTC, without the last day")
    groups = [name for name in (answer["data"] or [{}])[0] if name not in {*SUMS, "overrun_usd"}]
    total = {**answer["total"], groups[0]: "total"} if groups else {}
    print_table([*answer["data"], total] if groups else [], [*groups, *SUMS], "Nothing was used.")
    if answer["has_more"]:
        console.print("There is more; --csv prints all of it.")


@ledger.command()
def rebuild(context: typer.Context, as_json: Json = False) -> None:
    """Count all budgets anew from the usage rows of the database. Safe while requests are under way."""
    answer = stack_of(context).ask("POST", "ledger/rebuild")
    tell("The counters are rebuilt.", answer, as_json)
