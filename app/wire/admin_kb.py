"""Bodies of the admin routes about knowledge bases."""

from typing import Annotated

from pydantic import Field

from app.wire.admin import Id
from app.wire.base import Wire
from app.wire.search import Query, SearchOptions

MAX_QUERIES = 64
MAX_DELETED = 1000

Group = Annotated[str, Field(min_length=1, max_length=128)]
DocumentName = Annotated[str, Field(min_length=1, max_length=2048)]


class SearchKnowledgeBase(SearchOptions):
    """`POST /admin/v1/kb/search`: what somebody of the tenant, with these groups, would be found."""

    tenant: Id
    groups: Annotated[list[Group], Field(max_length=100)] = Field(default_factory=list)
    queries: Annotated[list[Query], Field(min_length=1, max_length=MAX_QUERIES, fail_fast=True)]


class DeleteDocuments(Wire):
    """`POST /admin/v1/kb/delete`."""

    tenant: Id
    documents: Annotated[list[DocumentName], Field(min_length=1, max_length=MAX_DELETED, fail_fast=True)]
