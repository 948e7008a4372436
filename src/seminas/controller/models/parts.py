"""Parts of the networks: linear layers of several members, the head, and the decoder.

Shapes: n architectures, S states of the encoder, t tokens, H hidden, E members.
"""

import torch
from torch import Tensor, nn

from seminas.controller.models.inputs import Memory
from seminas.spaces.base import SearchSpace


class StackedLinear(nn.Module):
    """Linear layers of all members. Each member has its own inputs and weights."""

    def __init__(self, members: int, before: int, after: int) -> None:
        super().__init__()
        bound = before**-0.5
        self.weight = nn.Parameter(torch.empty(members, before, after).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(members, 1, after).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """Return outputs ``[E, ..., after]`` for inputs ``[E, ..., before]``."""
        transformed: Tensor = torch.baddbmm(self.bias, x.flatten(1, -2), self.weight).unflatten(
            1, x.shape[1:-1]
        )
        return transformed


class Head(nn.Module):
    """MLP that maps the embedding to the prediction, on the scale of the targets."""

    def __init__(self, hidden: int, widths: list[int], dropout: float, members: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip([hidden, *widths], widths, strict=False):
            layers += [StackedLinear(members, before, after), nn.ReLU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, StackedLinear(members, widths[-1] if widths else hidden, 1))

    def forward(self, embedding: Tensor) -> Tensor:
        """Return predictions, ``[E, n]``, for embeddings, ``[E, n, H]``."""
        predictions: Tensor = self.layers(embedding)[..., 0]
        return predictions


class Decoder(nn.Module):
    """LSTM that predicts the token sequence, with attention to the encoder's states."""

    def __init__(self, space: SearchSpace, num_states: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(space.num_tokens, hidden)
        self.dropout = nn.Dropout(dropout)
        self.position = nn.Parameter(torch.randn(num_states, hidden) * 0.1)
        self.lstm = nn.LSTM(hidden, hidden, batch_first=True)
        self.mix = nn.Linear(2 * hidden, hidden)
        self.out = nn.Linear(hidden, space.num_tokens)

    def start(self, memory: Memory) -> tuple[Tensor, Tensor]:
        """Return the LSTM's initial hidden and cell state. Both are the first member's embedding, ``[1, n, H]``."""
        hidden = memory.embedding[:1]
        return hidden, hidden

    def forward(
        self, tokens: Tensor, memory: Memory, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Predict the next token after each token.

        Args:
            tokens: Preceding tokens, integers ``[n, t]``. The first token of a sequence is 0.
            memory: States of the encoder. The decoder reads the first member's states.
            state: State of the LSTM, from ``start`` or from the previous call.

        Returns:
            Logits of the next tokens, ``[n, t, num_tokens]``, and the new state of the LSTM.
        """
        output, state = self.lstm(self.dropout(self.embedding(tokens)), state)
        keys = memory.states[0] + self.position
        scores = output @ keys.transpose(1, 2) / output.shape[-1] ** 0.5
        weights = scores.masked_fill(~memory.mask[:, None], float("-inf")).softmax(dim=-1)
        mixed = torch.tanh(self.mix(torch.cat([weights @ keys, output], dim=-1)))
        return self.out(mixed), state
