"""Searched layers of the speech space (Luo et al., NeurIPS 2020, section on LJSpeech).

A layer is residual: each of its sublayers normalises its input first, and adds its output, after dropout, to it.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seminas.spaces.tts.parts import (
    EXPANSION,
    FEED_FORWARD_KERNEL,
    Attention,
    CausalConvolution,
    State,
    convolution,
)

KERNELS = {str(i): kernel for i, kernel in enumerate((1, 5, 9, 13, 17, 21, 25), 1)}
"""Kernel of each convolution."""
HEADS = {"8": 2, "9": 4, "10": 8}
"""Number of heads of each Transformer layer."""
LSTM = "11"
OPERATIONS = [*KERNELS, *HEADS, LSTM]
"""Names of the 11 operations of a position."""


class Memory(NamedTuple):
    """The encoder's output.

    Attributes:
        values: ``[n, s, width]``, zero where there is no phoneme.
        mask: Whether there is a phoneme, ``[n, s]``.
    """

    values: Tensor
    mask: Tensor

    @property
    def mean(self) -> Tensor:
        """Mean over the phonemes, ``[n, width]``."""
        return self.values.sum(dim=1) / self.mask.sum(dim=1, keepdim=True)


class EncoderConvolution(nn.Module):
    """Weight-normalised convolution over phonemes."""

    def __init__(self, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv = convolution(width, width, kernel, normalised=True, padding=kernel // 2)
        self.dropout = nn.Dropout(dropout)
        self.title = f"convolution {kernel}"

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return ``[n, s, width]`` for ``[n, s, width]`` and the mask ``[n, s]`` of phonemes."""
        y = (
            self.norm(x) * mask[:, :, None]
        )  # A neighbour without a phoneme is zero, as beyond the sentence's end.
        y = self.conv(y.transpose(1, 2)).transpose(1, 2).relu()
        output: Tensor = x + self.dropout(y)
        return output


class EncoderTransformer(nn.Module):
    """Self-attention over phonemes, and a feed-forward part with a convolution."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(width), Attention(width, heads)
        self.feed_norm = nn.LayerNorm(width)
        self.feed = convolution(
            width, EXPANSION * width, FEED_FORWARD_KERNEL, normalised=False, padding=FEED_FORWARD_KERNEL // 2
        )
        self.out = nn.Linear(EXPANSION * width, width)
        self.dropout = nn.Dropout(dropout)
        self.title = f"transformer {heads}"

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return ``[n, s, width]`` for ``[n, s, width]`` and the mask ``[n, s]`` of phonemes."""
        x = x + self.dropout(self.attention.to_itself(self.norm(x), mask))
        y = self.feed_norm(x) * mask[:, :, None]
        output: Tensor = x + self.dropout(self.out(self.feed(y.transpose(1, 2)).transpose(1, 2).relu()))
        return output


class EncoderLSTM(nn.Module):
    """Bidirectional LSTM over phonemes, and a projection."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.lstm = nn.LSTM(width, width, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)
        self.title = "LSTM"

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return ``[n, s, width]`` for ``[n, s, width]`` and the mask ``[n, s]`` of phonemes."""
        lengths = mask.sum(dim=1).cpu()
        packed = pack_padded_sequence(self.norm(x), lengths, batch_first=True, enforce_sorted=False)
        y, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=x.shape[1])
        output: Tensor = x + self.dropout(self.out(y))
        return output


class DecoderLayer(nn.Module):
    """A decoder layer: its own sublayer, attention over the encoder's output, and possibly a feed-forward part.

    A subclass implements ``mixed``, and may extend ``start`` and ``fed``.
    """

    def __init__(self, width: int, heads: int, dropout: float, title: str) -> None:
        super().__init__()
        self.norm, self.attention_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.dropout = nn.Dropout(dropout)
        self.title = title

    def mixed(self, x: Tensor, state: State) -> Tensor:
        """Return the output ``[n, t, width]`` of the layer's own sublayer for its normalised input."""
        raise NotImplementedError

    def fed(self, x: Tensor, state: State) -> Tensor:
        """Return the output of the feed-forward part, ``[n, t, width]``. The default has none."""
        return x

    def start(self, memory: Memory) -> State:
        """Return the state at the begin of a sequence: the keys and values of the encoder's output."""
        keys, values = self.attention.project(memory.values)
        return {"memory_keys": keys, "memory_values": values, "mask": memory.mask}

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, Tensor]:
        """Return ``[n, t, width]`` and the attention weights ``[n, heads, t, s]`` for the next frames.

        Args:
            x: The next frames ``[n, t, width]``.
            state: State of the earlier frames. It is updated.
        """
        x = x + self.dropout(self.mixed(self.norm(x), state))
        y, weights = self.attention.over(
            self.attention_norm(x), state["memory_keys"], state["memory_values"], state["mask"]
        )
        return self.fed(x + self.dropout(y), state), weights


class DecoderConvolution(DecoderLayer):
    """Causal weight-normalised convolution over frames, and one-head attention over the encoder's output."""

    def __init__(self, width: int, kernel: int, dropout: float) -> None:
        super().__init__(width, 1, dropout, f"convolution {kernel}")
        self.conv = CausalConvolution(width, width, kernel, normalised=True)

    def mixed(self, x: Tensor, state: State) -> Tensor:
        """See the base class."""
        return functional.relu(self.conv(x, state))


class DecoderTransformer(DecoderLayer):
    """Causal self-attention, attention over the encoder's output, and a causal feed-forward part."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__(width, heads, dropout, f"transformer {heads}")
        self.itself = Attention(width, heads)
        self.feed_norm = nn.LayerNorm(width)
        self.feed = CausalConvolution(width, EXPANSION * width, FEED_FORWARD_KERNEL)
        self.out = nn.Linear(EXPANSION * width, width)

    def mixed(self, x: Tensor, state: State) -> Tensor:
        """See the base class."""
        return self.itself.causal(x, state)

    def fed(self, x: Tensor, state: State) -> Tensor:
        """See the base class."""
        y: Tensor = self.dropout(self.out(self.feed(self.feed_norm(x), state).relu()))
        return x + y


class DecoderLSTM(DecoderLayer):
    """LSTM over frames that starts from the encoder's mean, and one-head attention over the encoder's output."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__(width, 1, dropout, "LSTM")
        self.lstm = nn.LSTM(width, width, batch_first=True)

    def start(self, memory: Memory) -> State:
        """See the base class. The hidden state and the cell state begin as the mean of the encoder's output."""
        mean = memory.mean[None].contiguous()
        return {**super().start(memory), "hidden": mean, "cell": mean}

    def mixed(self, x: Tensor, state: State) -> Tensor:
        """See the base class."""
        y: Tensor
        y, (state["hidden"], state["cell"]) = self.lstm(x, (state["hidden"], state["cell"]))
        return y


def encoder_layer(operation: str, width: int, dropout: float) -> nn.Module:
    """Return an encoder layer by the name of its operation."""
    if operation in KERNELS:
        return EncoderConvolution(width, KERNELS[operation], dropout)
    if operation in HEADS:
        return EncoderTransformer(width, HEADS[operation], dropout)
    return EncoderLSTM(width, dropout)


def decoder_layer(operation: str, width: int, dropout: float) -> DecoderLayer:
    """Return a decoder layer by the name of its operation."""
    if operation in KERNELS:
        return DecoderConvolution(width, KERNELS[operation], dropout)
    if operation in HEADS:
        return DecoderTransformer(width, HEADS[operation], dropout)
    return DecoderLSTM(width, dropout)


def initialise(module: nn.Module) -> None:
    """Initialize linear layers as Glorot and Bengio do (AISTATS 2010), and biases with zero."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                torch.nn.init.zeros_(part.bias)
