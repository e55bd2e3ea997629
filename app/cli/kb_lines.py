"""`sextant kb search --json`: JSON lines in, what is found for each out."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from app.cli.json_lines import object_of

LONGEST_LINE = 1024 * 1024  # bytes
LONGEST_QUERY = 8_000  # characters, as the route takes
AT_ONCE = 64  # queries of one request, as the route takes
FIELDS = ("document", "chunk", "start", "end", "score")


class Asks(Protocol):
    """`app.cli.connection.Stack`."""

    def ask(
        self, method: str, path: str, query: dict[str, Any] | None = None, body: dict[str, Any] | None = None
    ) -> Any: ...


def searched(stack: Asks, options: dict[str, Any], queries: Sequence[str]) -> list[dict[str, Any]]:
    """What is found for each query: `relevant`, `best`, and passages in `data`. Raises CommandFailed."""
    body = {name: value for name, value in options.items() if value is not None}
    found: list[dict[str, Any]] = []
    for start in range(0, len(queries), AT_ONCE):
        some = list(queries[start : start + AT_ONCE])
        found += stack.ask("POST", "kb/search", body={**body, "queries": some})["data"]
    return found


def results(stack: Asks, options: dict[str, Any], raw: Sequence[bytes]) -> Iterator[dict[str, Any]]:
    """One answer for each line that is not blank, in order. Raises CommandFailed."""
    read = [_read(line) for line in raw if line.strip()]
    queries = [query for query, wrong in read if not wrong]
    found = iter(searched(stack, options, queries) if queries else [])
    for query, wrong in read:
        if wrong:
            yield {"error": wrong}
            continue
        one = next(found)
        rows = [{name: passage[name] for name in FIELDS} for passage in one["data"]]
        yield {"query": query, "relevant": one["relevant"], "results": rows}


def _read(line: bytes) -> tuple[str, str]:
    """A line's query, and what is wrong with it."""
    try:
        return query_of(line), ""
    except ValueError as error:
        return "", str(error)


def query_of(raw: bytes) -> str:
    """Raises ValueError with what is wrong."""
    content = object_of(raw, LONGEST_LINE)
    if not isinstance(content.get("query"), str):
        raise ValueError('the line must be an object with the text as "query"')
    query: str = content["query"]
    if not query.strip() or len(query) > LONGEST_QUERY:
        raise ValueError(f'"query" must have 1 to {LONGEST_QUERY:,} characters')
    try:
        query.encode()
    except UnicodeEncodeError:
        raise ValueError('"query" holds half a surrogate pair, which is no text') from None
    return query
