"""Admin routes for knowledge bases; `app.gateway.admin` puts them behind the admin key."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from app.gateway.account_access import page_of
from app.gateway.body import while_connected
from app.gateway.queries import MAX_ROWS, Query, parse_query
from app.gateway.receive import gateway_of, read_body
from app.gateway.responses import json_response
from app.retrieval.search.types import Found
from app.retrieval.types import StoredDocument
from app.wire.admin import Id
from app.wire.admin_kb import DeleteDocuments, DocumentName, SearchKnowledgeBase
from app.wire.search import passage_wire

router = APIRouter(prefix="/kb")


class TenantQuery(Query):
    """`GET /admin/v1/kb`."""

    tenant: Id


class DocumentsQuery(TenantQuery):
    """`GET /admin/v1/kb/documents`: `limit` documents after the one named `after`."""

    limit: Annotated[int, Field(ge=1, le=MAX_ROWS)] = 100
    after: DocumentName | None = None


@router.get("")
async def show_knowledge_base(request: Request) -> Response:
    """What is stored for a tenant."""
    tenant = parse_query(TenantQuery, request).tenant
    found = await gateway_of(request).knowledge.describe(tenant)
    return json_response(
        {
            "object": "knowledge_base",
            "tenant": tenant,
            "version": found.version,
            "documents": found.documents,
            "chunks": found.chunks,
        }
    )


@router.get("/documents")
async def list_documents(request: Request) -> Response:
    """Documents by name."""
    query = parse_query(DocumentsQuery, request)
    found = await gateway_of(request).knowledge.documents(query.tenant, query.limit + 1, query.after)
    return json_response(page_of(map(_document, found), query.limit))


@router.post("/delete")
async def delete_documents(request: Request) -> Response:
    """Delete documents, for every reader at once."""
    body = await read_body(request, DeleteDocuments)
    return json_response({"deleted": await gateway_of(request).knowledge.delete(body.tenant, body.documents)})


@router.post("/search")
async def search(request: Request) -> Response:
    """Search as a caller's request would, but for the guard, and for several queries."""
    body = await read_body(request, SearchKnowledgeBase)
    found = await while_connected(request, gateway_of(request).knowledge.search(body))
    return json_response({"object": "list", "data": [_found(each) for each in found]})


def _document(stored: StoredDocument) -> dict[str, Any]:
    return {
        "object": "document",
        "document": stored.name,
        "title": stored.title,
        "chunks": stored.chunks,
        "groups": list(stored.groups),
        "metadata": dict(stored.metadata),
        "content_hash": stored.content_hash,
    }


def _found(found: Found) -> dict[str, Any]:
    return {
        "relevant": found.relevant,
        "best": round(found.best, 6),
        "data": [{**passage_wire(each), "score": round(each.score, 6)} for each in found.passages],
    }
