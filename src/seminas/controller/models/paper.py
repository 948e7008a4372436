"""The authors' model, for comparisons (Luo et al., NeurIPS 2020, section 3.1, and their code for NAS-Bench-101).

Unlike ``network.StackedNetwork`` it normalises states to length 1 and adds residuals around each part. It differs from
the authors' in what its space asks for: sequences may end early, and only legal tokens are written.
"""

from typing import Any

import torch
from torch import Tensor, nn

from seminas.config.controller import ControllerSettings
from seminas.controller.models.inputs import Inputs, Memory, memorise
from seminas.controller.models.lstm import over_tokens
from seminas.controller.models.network import ControllerNetwork
from seminas.spaces.base import SearchSpace

HALF = 0.5**0.5
"""Keeps the variance of a sum of two."""


class PaperEncoder(nn.Module):
    """Bidirectional LSTM over the tokens, projected to its input's width and added to it."""

    reads = ("tokens",)

    def __init__(self, space: SearchSpace[Any], hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(space.num_tokens, hidden)
        self.dropout = nn.Dropout(dropout)
        between = dropout if layers > 1 else 0.0
        self.lstm = nn.LSTM(hidden, hidden, layers, batch_first=True, bidirectional=True, dropout=between)
        self.out = nn.Linear(2 * hidden, hidden)

    def forward(self, inputs: Inputs) -> Memory:
        """Return the states of the tokens, ``[1, n, L, H]``."""
        mask = inputs.tokens != 0
        embedded = self.dropout(self.embedding(inputs.tokens))
        states = over_tokens(self.lstm, embedded, mask)
        return memorise((embedded + self.out(states))[None], mask, 1.0)


class PaperHead(nn.Module):
    """Two layers back to the embedding's width, a residual, and a linear regressor."""

    def __init__(self, hidden: int, width: int, dropout: float, sigmoid: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(hidden, width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.out = nn.Linear(hidden, 1)
        self.sigmoid = sigmoid

    def forward(self, embedding: Tensor) -> Tensor:
        """Return predictions, ``[1, n]``, of embeddings, ``[1, n, H]``."""
        prediction = self.out((embedding + self.layers(embedding)) * HALF)[..., 0]
        return torch.sigmoid(prediction) if self.sigmoid else prediction


class PaperDecoder(nn.Module):
    """LSTM that writes the token sequence, then attention on the encoder's states, each with a residual."""

    def __init__(self, space: SearchSpace[Any], hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.num_layers = layers
        self.embedding = nn.Embedding(space.num_tokens, hidden)
        self.dropout = nn.Dropout(dropout)
        between = dropout if layers > 1 else 0.0
        self.lstm = nn.LSTM(hidden, hidden, layers, batch_first=True, dropout=between)
        self.query = nn.Linear(hidden, hidden, bias=False)
        self.mix = nn.Linear(2 * hidden, hidden, bias=False)
        self.out = nn.Linear(hidden, space.num_tokens)

    def start(self, memory: Memory) -> tuple[Tensor, Tensor]:
        """Return the LSTM's initial hidden and cell state, ``[layers, n, H]``: the embedding."""
        hidden = memory.embedding.expand(self.num_layers, -1, -1).contiguous()
        return hidden, hidden

    def forward(
        self, tokens: Tensor, memory: Memory, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Read tokens and say what comes after each, as ``parts.Decoder`` does."""
        embedded = self.dropout(self.embedding(tokens))
        output, state = self.lstm(embedded, state)
        output = (embedded + output) * HALF
        scores = self.query(output) @ memory.states[0].transpose(1, 2)
        weights = scores.masked_fill(~memory.mask[:, None], float("-inf")).softmax(dim=-1)
        mixed = torch.tanh(self.mix(torch.cat([weights @ memory.states[0], output], dim=-1)))
        return self.out((output + mixed) * HALF), state


class PaperNetwork(ControllerNetwork):
    """Encoder, predictor and decoder as the authors have them."""

    def __init__(self, space: SearchSpace[Any], settings: ControllerSettings) -> None:
        """Build the network; the head's first layer has the width of ``settings.head``."""
        super().__init__()
        encoder, (width,) = settings.encoder, settings.head.widths
        self.encoder = PaperEncoder(space, encoder.hidden, encoder.layers, encoder.dropout)
        self.head = PaperHead(encoder.hidden, width, encoder.dropout, settings.head.sigmoid)
        self.decoder = PaperDecoder(space, encoder.hidden, encoder.layers, encoder.dropout)
