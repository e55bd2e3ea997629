"""Names of people, as spaCy's entity recognizer finds them, at a fraction of its price.

spaCy's small pipelines recognize entities by a convolutional network over the tokens (HashEmbedCNN) and a
greedy transition system (BILUO) over its vectors: https://spacy.io/api/architectures. Most of the time that
spaCy 3.8 needs for a prompt is not their arithmetic: the network is ~60 Python layers, its matrix products run
on a generic BLIS kernel, and each of the 74 moves asks for the interpreter lock to see whether it is valid.
Here the same weights run in NumPy, for many texts at once:

- network: the layers as they are, zero rows between texts as spaCy pads them, so that a text's vectors do not
  depend on its batch (but for rounding in the last bits);
- transitions: outside an entity, a state's score depends on its token alone, so that all tokens are scored by
  one product; only inside an entity are they taken one by one.

A pipeline of another architecture (a transformer, static vectors, a shared tok2vec) runs in spaCy itself: `Names`
compares both on a probe text when it is built, and uses this network only where it computes the same.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from spacy.attrs import IDX, IS_SPACE, LENGTH
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Model, NumpyOps

Floats = npt.NDArray[np.float32]
Layer = Model[Any, Any]
Entity = tuple[int, int, str]

# Labels of people in spaCy's models: English ones, and those trained on WikiNER.
PEOPLE = ("PERSON", "PER")

LONGEST_RUN = 64  # characters without white space between them

# Forms of words whose own vectors are kept, at some 600 bytes; then they are found anew.
MOST_FORMS = 16_384

LAYERS = {"extract_features", "ints-getitem", "hashembed", "maxout", "layernorm", "dropout", "expand_window"}


@dataclass(frozen=True, slots=True)
class Reading:
    """What the recognizer says of one text: its entities, and for each of its tokens, by where it starts, how much
    rather it would begin a person there than pass on (a difference of scores; empty where the network runs in spaCy).
    """

    entities: list[Entity] = field(default_factory=list)
    margins: dict[int, float] = field(default_factory=dict)


PROBE = "On 4 May 2024, Dr. Ann-Marie O'Neill of Acme Ltd. paid $ 1,200 to  Jean Dupont in Paris."


class Names:
    """Finds people in texts. Thread-safe: what is computed belongs to the call."""

    def __init__(self, pipeline: Language) -> None:
        self._pipeline = pipeline
        self._network = _Network.of(pipeline)

    @property
    def fast(self) -> bool:
        """Whether the pipeline is one that runs here, rather than in spaCy."""
        return self._network is not None

    def find(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Start and end of each name of a person, in characters, for each text."""
        return [
            [(start, end) for start, end, label in entities if label in PEOPLE] for entities in self.entities(texts)
        ]

    def entities(self, texts: Sequence[str]) -> list[list[Entity]]:
        """Start, end and label of each entity, of people or not (GPE, ORG, DATE), for each text."""
        return [reading.entities for reading in self.read(texts)]

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """All that the recognizer says of each text."""
        texts = [spaced(text) for text in texts]
        if self._network is None:
            return [Reading(_entities(doc)) for doc in self._pipeline.pipe(texts)]
        return self._network.read([self._pipeline.make_doc(text) for text in texts])


_RUN = re.compile(rf"\S{{{2 * LONGEST_RUN},}}")


def spaced(text: str) -> str:
    """The text with a space in place of every so many signs of a long run without one: spaCy's tokenizer takes time
    that grows with the square of a run of punctuation. Places stay as they are."""
    return _RUN.sub(lambda run: _BROKEN.sub(r"\1 ", run[0]), text)


_BROKEN = re.compile(rf"(\S{{{LONGEST_RUN - 1}}})\S")


def _entities(doc: Doc) -> list[Entity]:
    """What spaCy itself has found."""
    return [(entity.start_char, entity.end_char, entity.label_) for entity in doc.ents]


class _Network:
    """The weights of an entity recognizer, laid out for NumPy."""

    def __init__(self, model: Layer, moves: Sequence[str]) -> None:
        embed_and_encode = model.get_ref("tok2vec")
        layers = list(embed_and_encode.walk(order="dfs_pre"))
        self._ops = NumpyOps()
        self._columns = [*next(layer for layer in layers if layer.name == "extract_features").attrs["columns"]]
        self._hashes = [
            (_weights(layer, "E"), layer.attrs["seed"], layer.attrs["column"])
            for layer in layers
            if layer.name == "hashembed"
        ]
        maxouts = [layer for layer in layers if layer.name == "maxout"]
        norms = [layer for layer in layers if layer.name == "layernorm"]
        self._mix, *self._windows = [_Maxout(*pair) for pair in zip(maxouts, norms, strict=True)]
        output = layers[-1]  # to the width of the transition system's features
        self._output, self._output_bias = _weights(output, "W").T.copy(), _weights(output, "b")
        self._moves = _Moves(model.get_ref("lower"), model.get_ref("upper"), moves)
        # A plain dict, forgotten as a whole: `Recent` would take a lock and a move for each token.
        self._forms: dict[bytes, Floats] = {}

    @classmethod
    def of(cls, pipeline: Language) -> "_Network | None":
        """The network of a pipeline; None where it is of another kind than this code computes."""
        if pipeline.pipe_names != ["ner"]:
            return None
        recognizer = pipeline.get_pipe("ner")
        model: Layer = recognizer.model
        tok2vec = model.get_ref("tok2vec")
        leaves = [layer for layer in tok2vec.walk(order="dfs_pre") if not layer.layers]
        depth = sum(leaf.name == "expand_window" for leaf in leaves)
        if (
            {leaf.name for leaf in leaves[:-1]} - LAYERS - {"list2ragged", "ragged2list", "list2array"}
            or leaves[-1].name != "linear"
            or model.attrs["unseen_classes"]
            or recognizer.cfg["beam_width"] != 1
            or any(leaf.attrs["window_size"] != 1 for leaf in leaves if leaf.name == "expand_window")
            or sum(leaf.name == "maxout" for leaf in leaves) != depth + 1
            or model.get_ref("lower").get_dim("nF") != 3
            or not model.attrs["has_upper"]
            or not set(PEOPLE) & set(recognizer.labels)
        ):
            return None
        moves = recognizer.moves
        network = cls(model, [moves.get_class_name(number) for number in range(moves.n_moves)])
        doc = pipeline.make_doc(PROBE)
        same = np.allclose(network._vectors([doc])[0], tok2vec.predict([doc]), rtol=1e-3, atol=1e-4)
        return network if same and network.read([doc])[0].entities == _entities(pipeline(PROBE)) else None

    def read(self, docs: Sequence[Doc]) -> list[Reading]:
        read = [Reading() for _ in docs]
        filled = [number for number, doc in enumerate(docs) if len(doc)]
        if not filled:
            return read
        vectors, starts = self._vectors([docs[number] for number in filled])
        entities, margins = self._moves.entities(vectors, starts, [docs[number] for number in filled])
        ends = [*starts[1:], len(vectors)]
        for number, found, start, end in zip(filled, entities, starts, ends, strict=True):
            places = docs[number].to_array([IDX, LENGTH]).astype(np.int64)
            read[number] = Reading(
                [
                    (int(places[first, 0]), int(places[last, 0] + places[last, 1]), label)
                    for first, last, label in found
                ],
                dict(zip(places[:, 0].tolist(), margins[start:end].tolist(), strict=True)),
            )
        return read

    def _vectors(self, docs: Sequence[Doc]) -> tuple[Floats, list[int]]:
        """The tokens' vectors, text after text, and where each text begins."""
        mixed = self._mixed(np.concatenate([doc.to_array(self._columns) for doc in docs]))
        # Zero rows around each text: as many as the network looks to each side, and one for the window's edge.
        pad, starts, rows, size = len(self._windows), [], np.empty(len(mixed), np.intp), len(self._windows)
        begin = 0
        for doc in docs:
            starts.append(begin)
            rows[begin : begin + len(doc)] = np.arange(size, size + len(doc))
            begin += len(doc)
            size += len(doc) + pad
        width = mixed.shape[1]
        padded = np.zeros((size + 2, width), np.float32)
        padded[1:-1][rows] = mixed
        for window in self._windows:
            # Three neighbours side by side: the rows of a contiguous array, read with overlaps.
            neighbours = np.lib.stride_tricks.as_strided(padded, (size, 3 * width), padded.strides)
            padded[1:-1] += window(neighbours)
        return padded[1:-1][rows] @ self._output + self._output_bias, starts

    def _mixed(self, features: npt.NDArray[np.uint64]) -> Floats:
        """Each token's own vector. It depends on nothing but the token's form (digests of its parts and its shape), and
        most forms come again, so that the vectors are kept: a third of the network's arithmetic."""
        forms = [row.tobytes() for row in features]
        known = {form: vector for form in forms if (vector := self._forms.get(form)) is not None}
        new = {form: number for number, form in enumerate(forms) if form not in known}
        if new:
            rows = features[list(new.values())]
            made = self._mix(
                np.concatenate(
                    [
                        self._ops.gather_add(
                            table, self._ops.hash(np.ascontiguousarray(rows[:, column]), seed) % table.shape[0]
                        )
                        for table, seed, column in self._hashes
                    ],
                    axis=1,
                )
            )
            if len(self._forms) + len(new) > MOST_FORMS:
                self._forms.clear()
            for form, vector in zip(new, made, strict=True):
                known[form] = self._forms[form] = vector.copy()  # of its own: a view would keep all of them
        return np.concatenate([known[form] for form in forms]).reshape(len(forms), -1)


def _weights(layer: Layer, name: str) -> Floats:
    return cast(Floats, layer.get_param(name))


class _Maxout:
    """A maxout layer and the layer normalization behind it."""

    def __init__(self, maxout: Layer, norm: Layer) -> None:
        weights, bias = _weights(maxout, "W"), _weights(maxout, "b")
        self._width, self._pieces, inputs = weights.shape
        # Piece by piece rather than output by output, so that the maximum is taken over whole blocks.
        self._weights = np.ascontiguousarray(weights.transpose(1, 0, 2).reshape(-1, inputs).T)
        self._bias = bias.T.reshape(-1).copy()
        self._gain, self._shift = _weights(norm, "G"), _weights(norm, "b")

    def __call__(self, rows: Floats) -> Floats:
        pieces = rows @ self._weights
        pieces += self._bias
        width = self._width
        best: Floats = pieces[:, :width]
        for piece in range(1, self._pieces):
            best = np.maximum(best, pieces[:, piece * width : (piece + 1) * width])
        best = best - np.add.reduce(best, axis=1, keepdims=True) / np.float32(width)
        variance = np.einsum("ij,ij->i", best, best) / np.float32(width) + np.float32(1e-8)
        best *= (1 / np.sqrt(variance))[:, None]
        best *= self._gain
        best += self._shift
        return best


class _Moves:
    """The transition system: Begin, In, Last and Unit of an entity, and Out.

    A state is described by three tokens: the next one, the entity's first, and the one before the next. The last
    two are absent outside an entity. What is valid: `spacy/pipeline/_parser_internals/ner.pyx`.
    """

    def __init__(self, lower: Layer, upper: Layer, moves: Sequence[str]) -> None:
        weights, bias, absent = _weights(lower, "W"), _weights(lower, "b"), _weights(lower, "pad")[0]
        self._hidden, self._pieces, inputs = weights.shape[1:]
        first, second, third = weights.transpose(0, 2, 1, 3).reshape(3, -1, inputs)
        self._next, self._begun, self._before = (np.ascontiguousarray(part.T) for part in (first, second, third))
        self._bias = bias.T.reshape(-1).copy()
        self._outside_bias = self._bias + absent[1:].sum(axis=0).T.reshape(-1)
        scores, score_bias = _weights(upper, "W"), _weights(upper, "b")
        self._scores, self._score_bias = scores, score_bias
        outside = [
            number for number, move in enumerate(moves) if move == "O" or (move[:2] in ("B-", "U-") and move[2:])
        ]
        self._outside = [moves[number] for number in outside]
        self._outside_scores, self._outside_score_bias = scores[outside].T.copy(), score_bias[outside]
        self._begins = np.array([move.startswith("B-") for move in self._outside])
        self._out = self._outside.index("O")
        self._people = [number for number, move in enumerate(self._outside) if move[2:] in PEOPLE]
        self._inside = {
            move[2:]: (number, moves.index(f"L-{move[2:]}")) for number, move in enumerate(moves) if move[:2] == "I-"
        }

    def entities(
        self, vectors: Floats, starts: Sequence[int], docs: Sequence[Doc]
    ) -> tuple[list[list[Entity]], Floats]:
        """First and last token of each entity, and its label, for each text; and each token's margin for a person."""
        nexts = vectors @ self._next
        scores = self._activated(nexts + self._outside_bias) @ self._outside_scores + self._outside_score_bias
        margins: Floats = scores[:, self._people].max(axis=1) - scores[:, self._out]
        ends = [*starts[1:], len(vectors)]
        # A text's last token begins nothing, and white space is a part of nothing.
        scores[np.array(ends)[:, None] - 1, self._begins] = -np.inf
        moves = scores.argmax(axis=1)
        moves[np.concatenate([doc.to_array(IS_SPACE) for doc in docs]) == 1] = self._out
        entered = np.flatnonzero(moves != self._out).tolist()
        found: list[list[Entity]] = [[] for _ in docs]
        text, free = 0, 0  # the text that we are in; the first token behind the last entity
        for first in entered:
            if first < free:
                continue
            while first >= ends[text]:
                text += 1
            kind, _, label = self._outside[moves[first]].partition("-")
            last = first if kind == "U" else self._last(label, first, ends[text], vectors, nexts)
            free = last + 1
            found[text].append((first - starts[text], last - starts[text], label))
        return found, margins

    def _last(self, label: str, first: int, end: int, vectors: Floats, nexts: Floats) -> int:
        """The last token of an entity that has begun."""
        stay, leave = self._inside[label]
        begun = vectors[first] @ self._begun + self._bias
        for token in range(first + 1, end - 1):
            hidden = self._activated((nexts[token] + begun + vectors[token - 1] @ self._before)[None])[0]
            staying, leaving = self._scores[[stay, leave]] @ hidden + self._score_bias[[stay, leave]]
            if leaving > staying or (leaving == staying and leave < stay):
                return token
        return end - 1

    def _activated(self, summed: Floats) -> Floats:
        pieces = summed.reshape(len(summed), self._pieces, self._hidden)
        activated: Floats = pieces.max(axis=1)
        return activated
