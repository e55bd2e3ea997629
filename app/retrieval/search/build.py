"""The search that a configuration describes."""

import logging

from app.config import StackConfig
from app.retrieval.search.cross_encoder import CrossEncoder, RerankerMissing
from app.retrieval.search.relevance import Relevance
from app.retrieval.search.rerank import Reranking
from app.retrieval.search.search import Search, Searchable

logger = logging.getLogger(__name__)


def build_search(config: StackConfig, store: Searchable) -> Search:
    """Loads weights, and the cross-encoder where one is configured: without it, it is searched without reranking.

    Raises OSError or ValueError when `retrieval.relevance` names a file that holds no weights.
    """
    settings = config.retrieval
    own = settings.relevance
    relevance = Relevance.load() if own is None else Relevance.load(config.path(own))
    return Search(store, settings, relevance, _reranking(config))


def _reranking(config: StackConfig) -> Reranking | None:
    settings = config.retrieval.rerank
    if settings.model is None:
        return None
    directory = config.path(settings.model)
    try:
        model = CrossEncoder(
            str(directory) if directory.is_dir() else settings.model,
            threads=settings.threads,
            batch_size=settings.batch_size,
            max_tokens=settings.max_tokens,
        )
    except RerankerMissing as error:
        logger.error("retrieval.rerank: %s; searches go on without it", error)
        return None
    return Reranking(model, settings.deadline_ms)
