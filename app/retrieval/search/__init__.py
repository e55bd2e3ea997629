"""Search: candidates of a store's two searches fused, scored for relevance, thinned out, and joined with what stands
beside them. It runs where the store is."""

from app.retrieval.search.search import Search
from app.retrieval.search.types import Found, Mode, SearchRequest

__all__ = ["Found", "Mode", "Search", "SearchRequest"]
