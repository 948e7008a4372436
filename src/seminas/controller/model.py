"""Encoder, predictor and decoder as plain modules (Luo et al., NeurIPS 2020, section 3.1).

Shapes: n architectures, S states of the encoder (tokens or vertices), L tokens, V vertices, H hidden, E members of the
ensemble: encoders and predictors that are trained side by side in one computation. The decoder belongs to the first.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from seminas.controller.statistics import graph_statistics
from seminas.spaces.base import A, SearchSpace

NUM_USUAL, MIN_SCALE = 500, 1e-2
"""Random architectures that statistics are standardised by, and the least deviation of one that hardly varies."""


class Inputs(NamedTuple):
    """Architectures as tensors, in the two views that a space shows.

    Attributes:
        tokens: Token sequences, 0 is padding, integers ``[n, L]``.
        adjacency: Edge from row to column, bytes ``[n, V, V]``.
        labels: Vertex labels, 0 is padding, integers ``[n, V]``.
        statistics: Of the graphs as wholes, ``[n, F]``, see ``graph_statistics``.
    """

    tokens: Tensor
    adjacency: Tensor
    labels: Tensor
    statistics: Tensor

    def select(self, index: Tensor) -> "Inputs":
        """Return the architectures at ``index``, integers ``[m]``."""
        return Inputs(*(view[index] for view in self))

    def distinct(self, views: Sequence[str]) -> tuple["Inputs", NDArray[np.int64]]:
        """Return those that differ in some of the views, and which of these each architecture is, ``[n]``."""
        columns = [getattr(self, view).flatten(1).numpy() for view in views]
        rows = np.ascontiguousarray(np.concatenate([c.astype(np.int16) for c in columns], axis=1))
        whole = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1])))[:, 0]
        _, first, place = np.unique(whole, return_index=True, return_inverse=True)
        return self.select(torch.as_tensor(first)), place

    def split(self, size: int) -> Iterator["Inputs"]:
        """Yield consecutive parts of ``size`` architectures."""
        for parts in zip(*(view.split(size) for view in self), strict=True):
            yield Inputs(*parts)


def as_inputs(space: SearchSpace[A], architectures: Sequence[A]) -> Inputs:
    """Return architectures as tensors."""
    adjacency, labels = space.graphs(architectures)
    statistics = graph_statistics(adjacency, labels, space.num_labels)
    views = (space.encode(architectures), adjacency, labels, statistics)
    return Inputs(*(torch.as_tensor(view) for view in views))


class Memory(NamedTuple):
    """What the encoder says of architectures.

    Attributes:
        states: Normalised states, ``[E, n, S, H]``, zero where there is none.
        mask: Which states there are, ``[n, S]``.
        length: That states are normalised to. The authors take 1; ``sqrt(H)``, a root mean square of 1, lets what
            follows start at its usual scale.
    """

    states: Tensor
    mask: Tensor
    length: float

    @property
    def embedding(self) -> Tensor:
        """The mean of the states, normalised again, ``[E, n, H]``."""
        return normalise(self.states.sum(dim=-2) / self.mask.sum(dim=-1, keepdim=True), self.length)

    def part(self, members: int, number: int | None) -> "Memory":
        """Return what the first members say of the first architectures."""
        return self._replace(states=self.states[:members, :number], mask=self.mask[:number])


def memorise(states: Tensor, mask: Tensor, length: float | None = None) -> Memory:
    """Normalise an encoder's states, ``[E, n, S, H]``, to ``sqrt(H)`` by default."""
    length = states.shape[-1] ** 0.5 if length is None else length
    return Memory(normalise(states, length) * mask[..., None], mask, length)


def normalise(x: Tensor, length: float) -> Tensor:
    """Scale the last dimension to a length, zero stays zero."""
    return nn.functional.normalize(x, dim=-1) * length


class StackedLinear(nn.Module):
    """A linear layer for each member, of its own inputs."""

    def __init__(self, members: int, before: int, after: int) -> None:
        super().__init__()
        bound = before**-0.5
        self.weight = nn.Parameter(torch.empty(members, before, after).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(members, 1, after).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[E, ..., after]`` of ``[E, ..., before]``."""
        return torch.baddbmm(self.bias, x.flatten(1, -2), self.weight).unflatten(1, x.shape[1:-1])


def over_tokens(lstm: nn.Module, embedded: Tensor, mask: Tensor) -> Tensor:
    """Return an LSTM's outputs, ``[n, L, H']``, of embedded tokens, ``[n, L, H]``, where the mask says so."""
    packed = nn.utils.rnn.pack_padded_sequence(
        embedded, mask.sum(dim=1).cpu(), batch_first=True, enforce_sorted=False
    )
    outputs, _ = nn.utils.rnn.pad_packed_sequence(
        lstm(packed)[0], batch_first=True, total_length=mask.shape[1]
    )
    return outputs


class LSTMEncoder(nn.Module):
    """Bidirectional LSTM over the tokens; a state per token."""

    reads = ("tokens",)

    def __init__(self, space: SearchSpace, hidden: int, layers: int, dropout: float, members: int) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(
            nn.Embedding(space.num_tokens, hidden, padding_idx=0) for _ in range(members)
        )
        self.dropout = nn.Dropout(dropout)
        between = dropout if layers > 1 else 0.0
        self.lstms = nn.ModuleList(
            nn.LSTM(hidden, hidden, layers, batch_first=True, bidirectional=True, dropout=between)
            for _ in range(members)
        )
        self.out = StackedLinear(members, 2 * hidden, hidden)

    def forward(self, inputs: Inputs) -> Memory:
        """Return the states of the tokens, ``[E, n, L, H]``."""
        mask = inputs.tokens != 0
        outputs = [
            over_tokens(lstm, self.dropout(embedding(inputs.tokens)), mask)
            for embedding, lstm in zip(self.embeddings, self.lstms, strict=True)
        ]
        return memorise(self.out(torch.stack(outputs)), mask)


class GraphEncoder(nn.Module):
    """Message passing along and against the edges; a state per vertex, blind to the vertices' order.

    A vertex hears the mean of those before it and of those after it. What the graph is like as a whole, its
    statistics, is added to every state at the end.
    """

    reads = ("adjacency", "labels")
    center: Tensor
    scale: Tensor

    def __init__(self, space: SearchSpace, hidden: int, layers: int, dropout: float, members: int) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(members, space.num_labels, hidden))
        self.dropout = nn.Dropout(dropout)
        self.messages = nn.ModuleList(StackedLinear(members, 3 * hidden, hidden) for _ in range(layers))
        self.gains = nn.Parameter(torch.ones(layers, members, 1, 1, hidden))
        self.shifts = nn.Parameter(torch.zeros(layers, members, 1, 1, hidden))
        usual = as_inputs(space, space.sample(NUM_USUAL, np.random.default_rng(0))).statistics
        self.register_buffer("center", usual.mean(dim=0))
        self.register_buffer("scale", usual.std(dim=0, correction=0).clamp(min=MIN_SCALE))
        self.whole = StackedLinear(members, usual.shape[1], hidden)

    def forward(self, inputs: Inputs) -> Memory:
        """Return the states of the vertices, ``[E, n, V, H]``."""
        mask = inputs.labels != 0
        there = mask[..., None].to(self.embedding.dtype)
        edges = inputs.adjacency.to(self.embedding.dtype)
        forward, backward = (nn.functional.normalize(e, p=1, dim=2) for e in (edges, edges.transpose(1, 2)))
        states = self.embedding[:, inputs.labels] * there
        for linear, gain, shift in zip(self.messages, self.gains, self.shifts, strict=True):
            around = torch.cat([states, forward @ states, backward @ states], dim=-1)
            news = nn.functional.layer_norm(linear(around), states.shape[-1:]) * gain + shift
            states = torch.addcmul(states, self.dropout(torch.relu(news)), there)
        statistics = (inputs.statistics - self.center) / self.scale
        whole = self.whole(statistics.expand(len(self.embedding), -1, -1))
        return memorise(states + whole[:, :, None], mask)


class Predictor(nn.Module):
    """MLP from the embedding to the target that stands for the accuracy."""

    def __init__(self, hidden: int, widths: list[int], dropout: float, members: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip([hidden, *widths], widths, strict=False):
            layers += [StackedLinear(members, before, after), nn.ReLU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, StackedLinear(members, widths[-1] if widths else hidden, 1))

    def forward(self, embedding: Tensor) -> Tensor:
        """Return predictions, ``[E, n]``, of embeddings, ``[E, n, H]``."""
        return self.layers(embedding)[..., 0]


class Decoder(nn.Module):
    """LSTM that writes the token sequence, with attention on the encoder's states."""

    def __init__(self, space: SearchSpace, num_states: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(space.num_tokens, hidden)
        self.dropout = nn.Dropout(dropout)
        self.position = nn.Parameter(torch.randn(num_states, hidden) * 0.1)
        self.lstm = nn.LSTM(hidden, hidden, batch_first=True)
        self.mix = nn.Linear(2 * hidden, hidden)
        self.out = nn.Linear(hidden, space.num_tokens)

    def start(self, memory: Memory) -> tuple[Tensor, Tensor]:
        """Return the LSTM's initial hidden and cell state, ``[1, n, H]``: the first member's embedding."""
        hidden = memory.embedding[:1]
        return hidden, hidden

    def forward(
        self, tokens: Tensor, memory: Memory, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Read tokens and say what comes after each.

        Args:
            tokens: The preceding tokens, the first of a sequence is 0; integers ``[n, t]``.
            memory: The encoder's states; the first member's are read.
            state: Of the LSTM, from ``start`` or the last call.

        Returns:
            Logits ``[n, t, num_tokens]`` and the LSTM's new state.
        """
        output, state = self.lstm(self.dropout(self.embedding(tokens)), state)
        keys = memory.states[0] + self.position
        scores = output @ keys.transpose(1, 2) / output.shape[-1] ** 0.5
        weights = scores.masked_fill(~memory.mask[:, None], float("-inf")).softmax(dim=-1)
        mixed = torch.tanh(self.mix(torch.cat([weights @ keys, output], dim=-1)))
        return self.out(mixed), state


ENCODERS = {"graph": GraphEncoder, "lstm": LSTMEncoder}


class EncoderPredictorDecoder(nn.Module):
    """What every controller's model is.

    Attributes:
        encoder: ``Inputs`` to ``Memory``; its ``reads`` names the views that say all that it reads.
        predictor: Embeddings ``[E, n, H]`` to predictions ``[E, n]``.
        decoder: With ``start`` and ``forward`` as ``Decoder`` has them.
    """

    encoder: Any
    predictor: nn.Module
    decoder: Any

    def forward(self, inputs: Inputs, num_decoded: int | None = None) -> tuple[Tensor, Tensor]:
        """Predict accuracies and write the sequences again, each token after the right ones before it.

        Args:
            inputs: n architectures.
            num_decoded: How many of them, from the first, are decoded; all by default.

        Returns:
            Predictions ``[E, n]`` and logits ``[num_decoded, L, num_tokens]``.
        """
        memory = self.encoder(inputs)
        part = memory.part(1, num_decoded)
        before = nn.functional.pad(inputs.tokens[:num_decoded, :-1], (1, 0))
        logits, _ = self.decoder(before, part, self.decoder.start(part))
        return self.predictor(memory.embedding), logits

    def predict(self, inputs: Inputs) -> Tensor:
        """Return each member's predictions, ``[E, n]``."""
        return self.predictor(self.encoder(inputs).embedding)


class ControllerModel(EncoderPredictorDecoder):
    """Encoders, predictors and the decoder of one space."""

    def __init__(
        self,
        space: SearchSpace,
        encoder: str,
        hidden: int,
        layers: int,
        widths: list[int],
        dropout: float,
        members: int = 1,
    ) -> None:
        """Build the model; ``encoder`` is one of ``ENCODERS``, ``widths`` are the predictor's hidden layers."""
        super().__init__()
        num_states = space.max_length if encoder == "lstm" else space.num_vertices
        self.encoder = ENCODERS[encoder](space, hidden, layers, dropout, members)
        self.predictor = Predictor(hidden, widths, dropout, members)
        self.decoder = Decoder(space, num_states, hidden, dropout)
