"""Derive how common English words are from the order of BERT's vocabulary, for the relevance of passages.

    python -m jobs.derive_word_ranks --vocabulary .sextant/models/all-minilm-l6-v2/vocab.txt

The vocabulary (Devlin et al. 2018, Apache-2.0) lists whole words by how often Wikipedia and BooksCorpus have them. Of
each term that searches know (see `app.retrieval.terms`) the place of its most common word is kept.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from app.retrieval.search.commonness import RANKS_FILE
from app.retrieval.terms import query_terms

FIRST_WORD = "the"  # what stands before it are special tokens and single characters


def ranks_of(vocabulary: Sequence[str]) -> dict[int, int]:
    """Term index -> rank from 1, for whole words."""
    words = vocabulary[vocabulary.index(FIRST_WORD) :]
    ranks: dict[int, int] = {}
    whole = (word for word in words if word.isalpha() and len(word) > 1)
    for rank, word in enumerate(whole, start=1):
        for index in query_terms(word).indices:
            ranks.setdefault(index, rank)
    return ranks


def derive_word_ranks(
    vocabulary: Annotated[Path, typer.Option(help="vocab.txt, one token a line.")],
    out: Annotated[Path, typer.Option(help="The table.")] = RANKS_FILE,
) -> None:
    """Write the table."""
    ranks = ranks_of(vocabulary.read_text().split("\n"))
    indices = np.array(sorted(ranks), dtype=np.uint32)
    np.savez_compressed(out, terms=indices, ranks=np.array([ranks[int(i)] for i in indices], dtype=np.uint16))
    typer.echo(f"{out}: {len(ranks):,} terms, {out.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    typer.run(derive_word_ranks)
