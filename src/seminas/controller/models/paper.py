"""The authors' model, for comparisons (Luo et al., NeurIPS 2020, section 3.1, and their code for NAS-Bench-101).

Unlike ``network.StackedNetwork``, the model normalises states to length 1 and adds residual connections around each
part. The model differs from the authors' code in two points. Sequences may end early, and the search decodes only legal
tokens.
"""

import torch
from torch import Tensor, nn

from seminas.config.controller import ControllerSettings
from seminas.controller.models.inputs import Inputs, Memory, memorise
from seminas.controller.models.lstm import over_tokens
from seminas.controller.models.network import ControllerNetwork
from seminas.spaces.base import SearchSpace

HALF = 0.5**0.5
"""Factor of a sum of two independent terms. With the factor, the sum has the variance of one term."""


class PaperEncoder(nn.Module):
    """Bidirectional LSTM over the tokens. A projection maps its outputs to the width of the input, plus a residual."""

    reads = ("tokens",)

    def __init__(self, space: SearchSpace, hidden: int, layers: int, dropout: float) -> None:
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
    """Predictor: two layers with a residual connection, then a linear layer."""

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
        """Return predictions, ``[1, n]``, for embeddings, ``[1, n, H]``."""
        prediction = self.out((embedding + self.layers(embedding)) * HALF)[..., 0]
        return torch.sigmoid(prediction) if self.sigmoid else prediction


class PaperDecoder(nn.Module):
    """LSTM that predicts the token sequence, then attention to the encoder's states. Each has a residual."""

    def __init__(self, space: SearchSpace, hidden: int, layers: int, dropout: float) -> None:
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
        """Return the LSTM's initial hidden and cell state. Both repeat the embedding, ``[layers, n, H]``."""
        hidden = memory.embedding.expand(self.num_layers, -1, -1).contiguous()
        return hidden, hidden

    def forward(
        self, tokens: Tensor, memory: Memory, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Predict the next token after each token, as in ``parts.Decoder``."""
        embedded = self.dropout(self.embedding(tokens))
        output, state = self.lstm(embedded, state)
        output = (embedded + output) * HALF
        scores = self.query(output) @ memory.states[0].transpose(1, 2)
        weights = scores.masked_fill(~memory.mask[:, None], float("-inf")).softmax(dim=-1)
        mixed = torch.tanh(self.mix(torch.cat([weights @ memory.states[0], output], dim=-1)))
        return self.out((output + mixed) * HALF), state


class PaperNetwork(ControllerNetwork):
    """Network with the authors' encoder, predictor and decoder."""

    def __init__(self, space: SearchSpace, settings: ControllerSettings) -> None:
        """Build the network. The width of the head's hidden layer is the value of ``settings.head.widths``."""
        super().__init__()
        encoder, (width,) = settings.encoder, settings.head.widths
        self.encoder = PaperEncoder(space, encoder.hidden, encoder.layers, encoder.dropout)
        self.head = PaperHead(encoder.hidden, width, encoder.dropout, settings.head.sigmoid)
        self.decoder = PaperDecoder(space, encoder.hidden, encoder.layers, encoder.dropout)
