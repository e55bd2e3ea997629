"""What is known of the questions that were read lately, so that a question that comes again costs no run of the model.

Each tenant's own: how soon an answer comes must tell nobody what another tenant asked.
"""

from typing import Protocol

from app.cache.judge.literal.canon import core_of
from app.cache.judge.seen import Seen, see
from app.cache.judge.verdict import Verdict
from app.digests import KeyedDigests
from app.recent import Recent
from app.retrieval.embedder import TokenVectors
from app.retrieval.types import Vector

RECENT_QUESTIONS = 1024  # analysed, about 100 kB each
RECENT_RUNS = 64  # the model's last, up to 400 kB each: a question is embedded first, and then analysed
RECENT_VECTORS = 8192  # about 2 kB each
RECENT_VERDICTS = 16_384


class TokenEmbedder(Protocol):
    """What the judge needs of an embedder."""

    def token_vectors(self, text: str) -> TokenVectors:
        """The vector of each token and that of the text."""
        ...


class Recalled:
    """Questions by their cores: greetings and thanks around one make no other of it. For several threads.

    A question's vector and its analysis depend on nothing but its text, and what is said of a pair on both texts and
    their similarity, so nothing here is ever out of date. Texts are known by a keyed digest.
    """

    def __init__(self, embedder: TokenEmbedder, questions: int = RECENT_QUESTIONS) -> None:
        self._embedder = embedder
        self._digests = KeyedDigests()
        self._runs: Recent[TokenVectors] = Recent(RECENT_RUNS)
        self._vectors: Recent[Vector] = Recent(RECENT_VECTORS)
        self._seen: Recent[Seen] = Recent(questions)
        self.verdicts: Recent[Verdict] = Recent(RECENT_VERDICTS)  # by `pair`

    def vector(self, tenant: str, text: str) -> Vector:
        """The question's, of unit length."""
        core = core_of(text)
        key = self._digests.of(tenant, core)
        vector = self._vectors.get(key)
        if vector is None:
            vector = self._run(key, core).pooled
        return vector

    def seen(self, tenant: str, text: str) -> Seen:
        """The question, analysed."""
        core = core_of(text)
        key = self._digests.of(tenant, core)
        seen = self._seen.get(key)
        if seen is None:
            seen = see(core, self._runs.get(key) or self._run(key, core))
            self._seen.put(key, seen)
        return seen

    def pair(self, tenant: str, a: str, b: str, cosine: float | None) -> str:
        """Stands for both questions at that similarity."""
        return self._digests.of(tenant, core_of(a), core_of(b), "" if cosine is None else f"{cosine:.4f}")

    def _run(self, key: str, core: str) -> TokenVectors:
        found = self._embedder.token_vectors(core)
        self._runs.put(key, found)
        self._vectors.put(key, found.pooled)
        return found
