"""What came back for one question."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Citation:
    """A passage that the stack handed to the model. `index` is the n of the mark [n] in the text."""

    index: int
    document: str
    score: float  # cosine similarity, 0 to 1


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one sample, or the reason why there is none.

    With an `error` the other fields hold what had arrived before it. `citations` is None when
    retrieval was not asked for, and empty when it found nothing: the first cannot be graded, the
    second is a miss.
    """

    sample_id: str
    text: str = ""
    citations: tuple[Citation, ...] | None = None  # best first
    prompt_tokens: int | None = None  # None: the stack did not say
    completion_tokens: int | None = None
    ttft_s: float | None = None  # from sending the request to the first text
    latency_s: float = 0.0  # from sending the request to the end of the stream
    cache: str | None = None  # the x-sextant-cache header
    finish_reason: str | None = None
    request_id: str | None = None  # finds the trace
    error: str | None = None
