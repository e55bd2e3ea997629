"""Texts that do not fit into a model's context: cut into pieces that overlap, so that all of it is judged."""

MOST_WINDOWS = 32  # of one text
MOST_HALVINGS = 3  # of a window that the engine finds too long after all
LEAST_CHARACTERS = 500
CONTEXT_CHARACTERS = 2_000  # of the user's turn, where an answer to it is judged


class TextTooLong(ValueError):
    """A text needs more than `MOST_WINDOWS` windows."""


def windows(text: str, size: int) -> list[str]:
    """Pieces of at most `size` characters, each sharing an eighth with the next. Raises TextTooLong."""
    if len(text) <= size:
        return [text]
    step = size - size // 8
    starts = range(0, max(len(text) - size // 8, 1), step)
    if len(starts) > MOST_WINDOWS:
        raise TextTooLong(f"{len(text):,} characters are more than {MOST_WINDOWS} windows of {size:,}")
    return [text[start : start + size] for start in starts]


def halves(text: str) -> list[str]:
    """Two pieces that share an eighth of a piece."""
    return windows(text, len(text) // 2 + len(text) // 16 + 1)


def window_characters(context_tokens: int | None, taken_tokens: int, most: int) -> int:
    """How long a window may be. Two characters a token is little for English (four are usual), and too much for some
    scripts: what the engine then refuses is halved."""
    if context_tokens is None:
        return most
    return max(LEAST_CHARACTERS, min(most, 2 * (context_tokens - taken_tokens)))


def excerpt(text: str) -> str:
    """Both ends of a text that is only context: it has been judged itself where the user wrote it."""
    if len(text) <= CONTEXT_CHARACTERS:
        return text
    half = CONTEXT_CHARACTERS // 2
    return f"{text[:half]} ... {text[-half:]}"
