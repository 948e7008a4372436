"""Encoder, predictor and decoder as plain modules (Luo et al., NeurIPS 2020, section 3.1).

Shapes: n architectures, S states of the encoder (tokens or vertices), L tokens, V vertices, H hidden.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
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


def as_inputs(space: SearchSpace[A], architectures: Sequence[A]) -> Inputs:
    """Return architectures as tensors."""
    adjacency, labels = space.graphs(architectures)
    statistics = graph_statistics(adjacency, labels, space.num_labels)
    views = (space.encode(architectures), adjacency, labels, statistics)
    return Inputs(*(torch.as_tensor(view) for view in views))


class Memory(NamedTuple):
    """What the encoder says of architectures.

    Attributes:
        states: Normalised states, ``[n, S, H]``, zero where there is none.
        mask: Which states there are, ``[n, S]``.
    """

    states: Tensor
    mask: Tensor

    @property
    def embedding(self) -> Tensor:
        """The mean of the states, normalised again, ``[n, H]``."""
        return normalise(self.states.sum(dim=1) / self.mask.sum(dim=1, keepdim=True))


def normalise(x: Tensor) -> Tensor:
    """Scale the last dimension to a root mean square of 1, zero stays zero.

    The authors scale to length 1; the factor of ``sqrt(H)`` lets what follows start at its usual scale.
    """
    return nn.functional.normalize(x, dim=-1) * x.shape[-1] ** 0.5


class LSTMEncoder(nn.Module):
    """Bidirectional LSTM over the tokens, the authors' encoder; a state per token."""

    def __init__(self, space: SearchSpace, hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(space.num_tokens, hidden, padding_idx=0)
        self.dropout = nn.Dropout(dropout)
        between = dropout if layers > 1 else 0.0
        self.lstm = nn.LSTM(hidden, hidden, layers, batch_first=True, bidirectional=True, dropout=between)
        self.out = nn.Linear(2 * hidden, hidden)

    def forward(self, inputs: Inputs) -> Memory:
        """Return the states of the tokens, ``[n, L, H]``."""
        mask = inputs.tokens != 0
        embedded = self.dropout(self.embedding(inputs.tokens))
        packed = nn.utils.rnn.pack_padded_sequence(
            embedded, mask.sum(dim=1).cpu(), batch_first=True, enforce_sorted=False
        )
        states, _ = nn.utils.rnn.pad_packed_sequence(
            self.lstm(packed)[0], batch_first=True, total_length=mask.shape[1]
        )
        return Memory(normalise(self.out(states)) * mask[..., None], mask)


class GraphEncoder(nn.Module):
    """Message passing along and against the edges; a state per vertex, blind to the vertices' order.

    A vertex hears the mean of those before it and of those after it. What the graph is like as a whole, its
    statistics, is added to every state at the end.
    """

    center: Tensor
    scale: Tensor

    def __init__(self, space: SearchSpace, hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(space.num_labels, hidden, padding_idx=0)
        self.dropout = nn.Dropout(dropout)
        self.messages = nn.ModuleList(nn.Linear(3 * hidden, hidden) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(layers))
        usual = as_inputs(space, space.sample(NUM_USUAL, np.random.default_rng(0))).statistics
        self.register_buffer("center", usual.mean(dim=0))
        self.register_buffer("scale", usual.std(dim=0, correction=0).clamp(min=MIN_SCALE))
        self.whole = nn.Linear(usual.shape[1], hidden)

    def forward(self, inputs: Inputs) -> Memory:
        """Return the states of the vertices, ``[n, V, H]``."""
        mask = inputs.labels != 0
        edges = inputs.adjacency.to(self.embedding.weight.dtype)
        forward, backward = (nn.functional.normalize(e, p=1, dim=2) for e in (edges, edges.transpose(1, 2)))
        states = self.embedding(inputs.labels)
        for linear, norm in zip(self.messages, self.norms, strict=True):
            around = torch.cat([states, forward @ states, backward @ states], dim=-1)
            states = states + self.dropout(torch.relu(norm(linear(around))))
            states = states * mask[..., None]
        whole = self.whole((inputs.statistics - self.center) / self.scale)
        return Memory(normalise(states + whole[:, None]) * mask[..., None], mask)


class Predictor(nn.Module):
    """MLP from the embedding to the (standardised) accuracy."""

    def __init__(self, hidden: int, widths: list[int], dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip([hidden, *widths], widths, strict=False):
            layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1] if widths else hidden, 1))

    def forward(self, embedding: Tensor) -> Tensor:
        """Return predictions, ``[n]``, of embeddings, ``[n, H]``."""
        return self.layers(embedding)[:, 0]


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
        """Return the LSTM's initial hidden and cell state, ``[1, n, H]``: the embedding."""
        hidden = memory.embedding[None]
        return hidden, hidden

    def forward(
        self, tokens: Tensor, memory: Memory, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Read tokens and say what comes after each.

        Args:
            tokens: The preceding tokens, the first of a sequence is 0; integers ``[n, t]``.
            memory: The encoder's states.
            state: Of the LSTM, from ``start`` or the last call.

        Returns:
            Logits ``[n, t, num_tokens]`` and the LSTM's new state.
        """
        output, state = self.lstm(self.dropout(self.embedding(tokens)), state)
        keys = memory.states + self.position
        scores = output @ keys.transpose(1, 2) / output.shape[-1] ** 0.5
        weights = scores.masked_fill(~memory.mask[:, None], float("-inf")).softmax(dim=-1)
        mixed = torch.tanh(self.mix(torch.cat([weights @ keys, output], dim=-1)))
        return self.out(mixed), state


ENCODERS = {"graph": GraphEncoder, "lstm": LSTMEncoder}


class ControllerModel(nn.Module):
    """Encoder, predictor and decoder of one space."""

    def __init__(
        self, space: SearchSpace, encoder: str, hidden: int, layers: int, widths: list[int], dropout: float
    ) -> None:
        """Build the model; ``encoder`` is one of ``ENCODERS``, ``widths`` are the predictor's hidden layers."""
        super().__init__()
        num_states = space.max_length if encoder == "lstm" else space.num_vertices
        self.encoder = ENCODERS[encoder](space, hidden, layers, dropout)
        self.predictor = Predictor(hidden, widths, dropout)
        self.decoder = Decoder(space, num_states, hidden, dropout)

    def forward(self, inputs: Inputs, num_decoded: int | None = None) -> tuple[Tensor, Tensor]:
        """Predict accuracies and write the sequences again, each token after the right ones before it.

        Args:
            inputs: n architectures.
            num_decoded: How many of them, from the first, are decoded; all by default.

        Returns:
            Predictions ``[n]`` and logits ``[num_decoded, L, num_tokens]``.
        """
        memory = self.encoder(inputs)
        part = Memory(memory.states[:num_decoded], memory.mask[:num_decoded])
        before = nn.functional.pad(inputs.tokens[:num_decoded, :-1], (1, 0))
        logits, _ = self.decoder(before, part, self.decoder.start(part))
        return self.predictor(memory.embedding), logits

    def predict(self, inputs: Inputs) -> Tensor:
        """Return predictions, ``[n]``."""
        return self.predictor(self.encoder(inputs).embedding)
