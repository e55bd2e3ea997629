"""How much a word of a question tells, where no collection is there to count in.

The table beside this file has the ranks of English words by frequency; `jobs/derive_word_ranks.py` says what from.
"""

import functools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RANKS_FILE = Path(__file__).with_name("word_ranks.npz")

# By Zipf's law the word of rank r makes about 1 in 10 r words of a text; a passage has 100. So about 10 / r of all
# passages have it, and its inverse document frequency is about ln(r / 10).
_ZIPF = 10.0
LEAST, MOST = 0.5, 8.0  # MOST: of a word that the table lacks, such as a name, a number or an identifier


@functools.cache
def _table() -> tuple[NDArray[np.uint32], NDArray[np.float64]]:
    with np.load(RANKS_FILE, allow_pickle=False) as arrays:
        return arrays["terms"], np.clip(np.log(arrays["ranks"] / _ZIPF), LEAST, MOST)


def commonness_idf(terms: NDArray[np.uint32]) -> NDArray[np.float64]:
    """An inverse document frequency for each term (indices of `app.retrieval.terms`), as general English has it."""
    known, weights = _table()
    places = np.minimum(np.searchsorted(known, terms), len(known) - 1)
    found: NDArray[np.float64] = np.where(known[places] == terms, weights[places], MOST)
    return found
