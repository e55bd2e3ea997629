"""What the command line of the ingest job says, over what is configured."""

from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from app.config import StackConfig
from app.config.ingest import IngestConfig
from app.ingest.attributes import read_groups, read_metadata
from app.ingest.document import UnreadableDocument
from app.retrieval.types import MetadataValue


class IngestError(Exception):
    """Why the job cannot go on, in a sentence for the person who runs it."""


def with_options(stack: StackConfig, chosen: Mapping[str, object]) -> StackConfig:
    """The configuration with those options of `ingest` that are not None; allowed hosts are added.

    Raises IngestError.
    """
    said = {key: value for key, value in chosen.items() if value is not None}
    hosts = said.get("allowed_hosts")
    if isinstance(hosts, list):
        said["allowed_hosts"] = [*stack.ingest.allowed_hosts, *hosts]
    try:
        ingest = IngestConfig.model_validate({**stack.ingest.model_dump(), **said})
    except ValidationError as error:
        first = error.errors()[0]
        name = "allow-host" if "allowed_hosts" in first["loc"] else "-".join(map(str, first["loc"])).replace("_", "-")
        raise IngestError(f"--{name or 'embed-in'}: {first['msg'].removeprefix('Value error, ')}") from None
    return stack.model_copy(update={"ingest": ingest})


def groups_in(text: str) -> tuple[str, ...]:
    """Names with commas between them. Raises IngestError."""
    try:
        return read_groups(text or None)
    except UnreadableDocument as error:
        raise IngestError(f"--groups {text}: {error.reason}") from None


def metadata_in(pairs: Sequence[str]) -> dict[str, MetadataValue]:
    """Fields from `key=value`. Numbers and truth values are read as such where nothing is lost by it: 1.10 stays text.

    Raises IngestError.
    """
    fields: dict[str, MetadataValue] = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key.strip():
            raise IngestError(f"--metadata {pair}: give a field and its value, as in year=2026")
        fields[key.strip()] = _typed(value)
    return read_metadata(fields)


def _typed(value: str) -> MetadataValue:
    if value in ("true", "false"):
        return value == "true"
    for kind in (int, float):
        try:
            number = kind(value)
        except ValueError:
            continue
        if str(number) == value:
            return number
    return value
