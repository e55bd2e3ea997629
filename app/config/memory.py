"""Memory: conversations by id, summaries of their older turns, facts about end users."""

from pydantic import Field

from app.config.settings import Count, Milliseconds, Seconds, Settings, Share


class SummaryConfig(Settings):
    """Older turns of a conversation, told by the model. Made in the background, billed to the tenant."""

    enabled: bool = Field(True, description="Off, what does not fit is left out, but for turns like the question.")
    model: str | None = Field(None, description="Model or alias that writes it; absent, the conversation's own.")
    max_tokens: int = Field(256, ge=16, le=4096, description="Longest summary.")
    begin_at: Share = Field(
        0.6, description="Share of the room for history from which turns without a summary are too many."
    )
    keep: Share = Field(0.3, description="Share of it that the newest turns keep when the others are summarised.")


class FactsConfig(Settings):
    """Long-term facts about end users: extracted by the model after a turn, found by similarity in later ones."""

    enabled: bool = Field(False, description="On, for requests that name their user (or whose key has a customer).")
    model: str | None = Field(None, description="Model or alias that extracts them; absent, the request's own.")
    max_tokens: int = Field(256, ge=16, le=4096, description="Longest answer of the extraction.")
    max_per_turn: int = Field(8, ge=1, le=50, description="Facts taken from one turn.")
    max_per_user: int = Field(
        300, ge=1, le=2000, description="Facts kept of one user; the oldest go first. All are compared with a question."
    )
    top_k: int = Field(5, ge=1, le=50, description="Facts that a prompt gets.")
    threshold: Share = Field(0.1, description="Cosine similarity under which a fact has nothing to do with a question.")
    same: Share = Field(0.9, description="Cosine similarity from which two facts say the same.")


class MemoryConfig(Settings):
    """Conversations by id, and what is remembered of end users. Everything lies in the database of accounts."""

    enabled: bool = Field(True, description="Off, `conversation` in a request and the routes of memory are a 404.")
    retention_days: float = Field(
        30, gt=0, le=3650, description="A conversation, or a fact, that was not touched for so long is deleted."
    )
    max_items: Count = Field(10_000, description="Most items of a conversation; a turn past that is a 400.")
    max_conversations: Count = Field(
        100_000, description="A tenant that has so many conversations cannot begin another one."
    )
    context_tokens: Count = Field(4096, description="Context of a model whose size is not known.")
    answer_tokens: Count = Field(
        512, description="Room that is kept for an answer of unstated length, at most a quarter of the context."
    )
    earlier_turns: int = Field(
        2, ge=0, le=20, description="Older turns that do not fit any more, but are like the question, to be quoted."
    )
    earlier_threshold: Share = Field(0.3, description="Cosine similarity under which an older turn is not.")
    recall_timeout_ms: Milliseconds = Field(2000, description="Looking for facts and older turns takes no longer.")
    sweep_s: Seconds = Field(60, description="How often what has expired, and traces of what was erased, are deleted.")
    summary: SummaryConfig = Field(default_factory=SummaryConfig, description="Summaries of older turns.")
    facts: FactsConfig = Field(default_factory=FactsConfig, description="Facts about end users.")
