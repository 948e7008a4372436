"""Encoder that reads the tokens of an architecture."""

import torch
from torch import Tensor, nn

from seminas.controller.models.inputs import Inputs, Memory, memorise
from seminas.controller.models.parts import StackedLinear
from seminas.spaces.base import SearchSpace


def over_tokens(lstm: nn.Module, embedded: Tensor, mask: Tensor) -> Tensor:
    """Return an LSTM's outputs, ``[n, L, H']``, for embedded tokens, ``[n, L, H]``.

    The mask, ``[n, L]``, is true for tokens and false for the padding after them. The outputs at padding are 0.
    """
    packed = nn.utils.rnn.pack_padded_sequence(
        embedded, mask.sum(dim=1).cpu(), batch_first=True, enforce_sorted=False
    )
    outputs, _ = nn.utils.rnn.pad_packed_sequence(
        lstm(packed)[0], batch_first=True, total_length=mask.shape[1]
    )
    return outputs


class LSTMEncoder(nn.Module):
    """Bidirectional LSTM over the tokens. It returns one state for each token."""

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
