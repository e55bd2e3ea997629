"""`sextant kb`."""

import json
import sys
from io import BufferedReader
from typing import Annotated, Any, cast

import typer
from rich.text import Text

from app.cli.connection import Stack, stack_of
from app.cli.guard_lines import portions
from app.cli.kb_lines import results, searched
from app.cli.output import Json, cell, console, print_facts, print_json, print_table, tell

app = typer.Typer(no_args_is_help=True, help="Knowledge bases: what is in them, what is found, what is to go.")

Tenant = Annotated[str, typer.Option(help="Whose knowledge base.")]
Group = Annotated[list[str] | None, typer.Option(help="Search as somebody of this group (repeat); by default of none.")]
AT_ONCE = 500  # documents of one request
_SHOWN = 300  # characters of a passage
NO_DOCUMENTS = (
    "No documents. Ingest some: make ingest DOCS=FOLDER; on a cluster: ray job submit -- python -m jobs.ingest FOLDER"
)


@app.command("list")
def list_documents(context: typer.Context, tenant: Tenant = "default", as_json: Json = False) -> None:
    """List documents by name, with their chunks and who may see them.

    [bold]Example[/]

    sextant kb list --tenant acme
    """
    documents = list(stack_of(context).all_of("kb/documents", {"tenant": tenant}, "document"))
    if as_json:
        print_json(documents)
        return
    for document in documents:
        document["groups"] = document["groups"] or "everybody"
    columns = ["document", "title", "chunks", "groups", "metadata"]
    print_table(documents, columns, NO_DOCUMENTS)


@app.command()
def stats(context: typer.Context, tenant: Tenant = "default", as_json: Json = False) -> None:
    """Show how many documents and chunks there are, and the version that cached answers depend on."""
    answer = stack_of(context).ask("GET", "kb", {"tenant": tenant})
    if as_json:
        print_json(answer)
    else:
        print_facts(answer)


@app.command()
def delete(
    context: typer.Context,
    documents: Annotated[
        list[str] | None, typer.Argument(help="Names, as `sextant kb list` shows them.", metavar="DOCUMENT...")
    ] = None,
    tenant: Tenant = "default",
    everything: Annotated[bool, typer.Option("--all", help="All documents of the tenant.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Delete documents, for every reader at once. Cached answers that drew on them are found no more.

    A document that the next ingestion finds again in its folder comes back.

    [bold]Examples[/]

    sextant kb delete handbook/old.md --tenant acme

    sextant kb delete --all --tenant acme --yes
    """
    if everything == bool(documents):
        raise typer.BadParameter("give documents, or --all")
    stack = stack_of(context)
    if everything:
        documents = [row["document"] for row in stack.all_of("kb/documents", {"tenant": tenant}, "document")]
    names = list(dict.fromkeys(documents or []))
    what = cell("document", names[0]) if len(names) == 1 else f"{len(names):,} documents"
    if names and not yes:
        typer.confirm(f"Delete {what} of {tenant}?", abort=True, err=True)
    deleted: list[str] = []
    for start in range(0, len(names), AT_ONCE):
        body = {"tenant": tenant, "documents": names[start : start + AT_ONCE]}
        deleted += stack.ask("POST", "kb/delete", body=body)["deleted"]
    tell(f"Deleted: {what if deleted else 'nothing, there are no documents'}.", {"deleted": deleted}, as_json)


@app.command()
def search(
    context: typer.Context,
    query: Annotated[str | None, typer.Argument(help="What to search for.")] = None,
    tenant: Tenant = "default",
    group: Group = None,
    limit: Annotated[int, typer.Option(min=1, max=50, help="Passages for a query.")] = 10,
    mode: Annotated[str, typer.Option(help="hybrid, dense (by meaning) or sparse (by words).")] = "hybrid",
    min_score: Annotated[
        float | None, typer.Option(min=0, max=1, help="Relevance that a query's best passage must have; as configured.")
    ] = None,
    filters: Annotated[
        str | None, typer.Option("--filter", help='Conditions on metadata as JSON, {"type": "eq", "key": ..., ...}.')
    ] = None,
    rerank: Annotated[
        bool | None, typer.Option("--rerank/--no-rerank", help="With the cross-encoder, where one is configured.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Search as requests of a tenant do, by the running stack's own search.

    With --json, queries {"query": ...} come as JSON lines on standard input, and for each a line
    {"query": ..., "relevant": ..., "results": [{"document", "chunk", "start", "end", "score"}, ...]} goes out, in
    order, the best first. `relevant` is false where the stack would say that the answer is not in the documents. A line
    that is no query gets {"error": ...} in its place, and the exit status is 1 at the end.

    [bold]Examples[/]

    sextant kb search "How long do refunds take?" --tenant acme --group support

    sextant kb search --json --limit 20 < queries.jsonl > results.jsonl
    """
    if as_json == (query is not None):
        raise typer.BadParameter("give a query, or --json with the queries on standard input")
    if mode not in ("hybrid", "dense", "sparse"):
        raise typer.BadParameter("--mode is hybrid, dense or sparse")
    options: dict[str, Any] = {"tenant": tenant, "groups": group or [], "limit": limit, "mode": mode}
    options |= {"min_score": min_score, "rerank": rerank, "filters": _conditions(filters)}
    stack = stack_of(context)
    if as_json:
        _answer_lines(stack, options)
        return
    (found,) = searched(stack, options, [query or ""])
    _print_found(found)


def _conditions(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise typer.BadParameter('--filter is no JSON; write {"type": "eq", "key": "year", "value": 2026}') from None


def _answer_lines(stack: Stack, options: dict[str, Any]) -> None:
    failed = False
    for raw in portions(cast(BufferedReader, sys.stdin.buffer).read1):
        for answer in results(stack, options, raw):
            failed = failed or "error" in answer
            sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
        sys.stdout.flush()  # who feeds line by line reads line by line
    if failed:
        raise typer.Exit(1)


def _print_found(found: dict[str, Any]) -> None:
    if not found["data"]:
        console.print("Nothing was found.")
        return
    for rank, passage in enumerate(found["data"], start=1):
        place = passage["heading"] or passage["title"]
        page = f", page {passage['page']}" if passage["page"] is not None else ""
        head = f"{rank}. {passage['score']:.3f}  {passage['document']} [{passage['start']}:{passage['end']}]"
        console.print(Text.assemble((cell("", head), "bold"), f"  {cell('', place)}{page}"))
        text = " ".join(passage["text"].split())
        console.print(Text(cell("", text[:_SHOWN] + (" ..." if len(text) > _SHOWN else "")), "dim"))
    if not found["relevant"]:
        console.print("None is relevant enough: the stack would say that the answer is not in the documents.")
