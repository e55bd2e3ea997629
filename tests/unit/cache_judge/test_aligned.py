"""The network over aligned tokens: what it looks at, and that its sums are those it was trained with."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from app.cache.judge.aligned import EXTRA, LARGE, AlignedNet, TokenPair, averaged, pair_tokens
from app.cache.judge.alignment import relations
from app.cache.judge.seen import Seen, see
from app.evals.cache_judge.groups import Group, Pair
from app.evals.cache_judge.table import Table, tabulate
from tests.unit.cache_judge.fakes import WordEmbedder


def small_aligned(seed: int = 3) -> AlignedNet:
    draw = np.random.default_rng(seed)
    shapes = (4, 6), (6,), (3,), (4 * 3 + EXTRA, 5), (5,), (12, 2), (2,), (2,), ()
    return AlignedNet(*(draw.standard_normal((1, *shape)).astype(np.float32) for shape in shapes))


def token_pair(seed: int = 0) -> TokenPair:
    draw = np.random.default_rng(seed)
    one, other = (draw.standard_normal((count, 4)).astype(np.float32) for count in (3, 5))
    relation = (draw.random((3, 5)) > 0.7).astype(np.float32)
    first, second = (draw.random((count, 2)).astype(np.float32) for count in (3, 5))
    return TokenPair((one, other), (first, second), relation, 0.8)


def turned(pair: TokenPair) -> TokenPair:
    return TokenPair(pair.vectors[::-1], pair.numbers[::-1], pair.relation.T, pair.cosine)


def seen(text: str) -> Seen:
    return see(text, WordEmbedder().token_vectors(text))


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_a_pair_does_not_matter(seed: int) -> None:
    net = small_aligned(seed)
    score = net.score(token_pair(seed))
    assert net.score(turned(token_pair(seed))) == pytest.approx(score, rel=1e-4, abs=1e-5)


def test_a_pair_without_tokens_says_nothing() -> None:
    none = np.zeros((0, 4), dtype=np.float32)
    pair = token_pair()
    empty = TokenPair((none, pair.vectors[1]), (none[:, :2], pair.numbers[1]), pair.relation[:0], 0.5)
    assert small_aligned().score(empty) == 0


def test_what_the_words_say_counts() -> None:
    pair = token_pair()
    unrelated = replace(pair, relation=np.zeros_like(pair.relation))
    assert small_aligned().score(pair) != pytest.approx(small_aligned().score(unrelated), abs=1e-3)


def test_a_token_is_compared_with_its_counterpart_wherever_that_stands() -> None:
    """With certain relations the alignment is exact, so other places of b change only what is said of places."""
    pair, order = token_pair(), [4, 2, 0, 1, 3]
    relation = np.zeros((3, 5), dtype=np.float32)
    relation[[0, 1, 2], [1, 3, 4]] = 1
    net = replace(small_aligned(), energy=np.array([[0, 0, 100]], dtype=np.float32))
    without_places = net.compare.copy()
    without_places[:, -4:-2] = 0
    net = replace(net, compare=without_places)
    moved = TokenPair(
        (pair.vectors[0], pair.vectors[1][order]), (pair.numbers[0], pair.numbers[1][order]), relation[:, order], 0.8
    )
    assert net.score(moved) == pytest.approx(net.score(replace(pair, relation=relation)), abs=1e-4)


def test_tokens_have_the_relation_of_their_items_and_equal_ones_are_sure() -> None:
    a, b = seen("How do I buy a large bag?"), seen("How do I purchase a large bag?")
    pair = pair_tokens(a, b, relations(a.question, b.question, a.items, b.items), 0.9)
    assert pair.relation.shape == (len(a.tokens), len(b.tokens)) == (7, 7)
    assert pair.relation[6, 6] == pair.relation[0, 0] == 1  # bag, bag; how, how
    assert pair.relation[6, 3] == pair.relation[1, 6] == 0  # bag, purchase; do, bag
    assert 0 < pair.relation[3, 3] < 1  # buy, purchase
    assert a.token_numbers[6, 0] == 1  # a bag must have a counterpart
    assert a.token_numbers[4, 0] == 0  # an article need not


def test_several_networks_are_averaged() -> None:
    nets = [small_aligned(seed) for seed in (3, 4)]
    mean = sum(net.score(token_pair()) for net in nets) / 2
    assert averaged(nets).score(token_pair()) == pytest.approx(mean, abs=1e-5)


def test_stored_arrays_make_the_same_network() -> None:
    net = small_aligned()
    assert AlignedNet.of(net.arrays()).score(token_pair()) == net.score(token_pair())
    large = replace(net, look=np.zeros((1, LARGE, 6), dtype=np.float32)).arrays()
    assert large["look"].dtype == np.float16
    assert AlignedNet.of(large).look.dtype == np.float32
    with pytest.raises(KeyError):
        AlignedNet.of({name: values for name, values in large.items() if name != "outer"})


TEXTS = {
    "How do I buy a bag?": ["Where can I purchase one large bag?", "bag: how do I buy it"],
    "Stop": ["How tall is the Eiffel tower in metres, and who built it?", "Start"],
}


@pytest.fixture(scope="module")
def table() -> Table:
    pairs = []
    for at, (question, others) in enumerate(TEXTS.items()):
        group = Group(question, question, (), tuple(others), ())
        pairs += [Pair(group, question, text, at == 0, "paraphrase", "written") for text in others]
    return tabulate(pairs, WordEmbedder())


def test_a_finished_network_gives_what_it_was_trained_with(table: Table) -> None:
    torch = pytest.importorskip("torch")
    from jobs.judge.aligned_torch import Aligner

    torch.manual_seed(7)
    net = Aligner(384).eval()
    with torch.no_grad():
        for value in net.parameters():
            value.mul_(3)
        logits = net(table.tokens).tolist()
    finished = net.finished()
    assert [finished.score(pair) for pair in table.tokens] == pytest.approx(logits, rel=1e-4, abs=1e-4)
    assert len({round(logit, 3) for logit in logits}) == len(logits)


def test_training_learns_the_labels(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from jobs.judge import fit_aligned

    monkeypatch.setattr(fit_aligned, "EPOCHS", 40)
    net = fit_aligned.train_aligned(table, np.arange(len(table.pairs)))
    assert [net.score(pair) > 0 for pair in table.tokens] == table.same.tolist()


def test_no_network_scores_a_group_that_taught_it(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs.judge import fit_aligned

    taught_by: list[set[str]] = []

    class Numbered:
        """Gives its own number as the score."""

        def __init__(self, table: Table, taught: NDArray[np.intp]) -> None:
            self.number = len(taught_by)
            taught_by.append({table.pairs[row].group.name for row in taught})

        def score(self, pair: TokenPair) -> int:
            return self.number

    monkeypatch.setattr(fit_aligned, "train_aligned", Numbered)
    _, scores = fit_aligned.fit_aligned(table, 5)
    assert len(taught_by) == 6
    assert taught_by[-1] == set(TEXTS)
    for pair, score in zip(table.pairs, scores, strict=True):
        assert pair.group.name not in taught_by[int(score)]
