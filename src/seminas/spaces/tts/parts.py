"""Parts of text-to-speech layers: attention, causal convolution, feed-forward part, positions.

A causal part reads a sequence in one piece or in several pieces. Its state keeps the end of the earlier pieces. So
incremental decoding computes the same as decoding in one piece, up to rounding.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

State = dict[str, Tensor]
"""Tensors that a layer keeps between two pieces of a sequence, by name. An empty state is the begin of a sequence."""
FEED_FORWARD_KERNEL, EXPANSION = 9, 4
"""Kernel of the convolution in the feed-forward part, and its output channels as a multiple of its input channels."""


def convolution(in_width: int, out_width: int, kernel: int, *, normalised: bool, padding: int) -> nn.Conv1d:
    """Return a convolution over time, with weight normalisation (Salimans and Kingma, 2016) if ``normalised``."""
    made = nn.Conv1d(in_width, out_width, kernel, padding=padding)
    return weight_norm(made) if normalised else made


class CausalConvolution(nn.Module):
    """Convolution over time whose output at a frame depends on this frame and earlier ones only."""

    def __init__(self, in_width: int, out_width: int, kernel: int, *, normalised: bool = False) -> None:
        super().__init__()
        self.conv = convolution(in_width, out_width, kernel, normalised=normalised, padding=0)
        self._past = kernel - 1

    def forward(self, x: Tensor, state: State) -> Tensor:
        """Return ``[n, t, out_width]`` for the next frames ``[n, t, in_width]``, and update the state."""
        past = state.get("past")
        if past is None:
            past = x.new_zeros(x.shape[0], self._past, x.shape[2])
        joined = torch.cat([past, x], dim=1)
        state["past"] = joined[:, joined.shape[1] - self._past :]
        y: Tensor = self.conv(joined.transpose(1, 2))
        return y.transpose(1, 2)


class Attention(nn.Module):
    """Multi-head attention whose projections have no biases (Vaswani et al., NeurIPS 2017, section 3.2)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width, bias=False) for _ in range(4))

    def project(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Return the keys and values ``[n, heads, s, width / heads]`` of a memory ``[n, s, width]``."""
        return self._split(self.key(memory)), self._split(self.value(memory))

    def over(self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the output ``[n, t, width]`` and the attention weights ``[n, heads, t, s]``.

        Args:
            x: Queries before their projection, ``[n, t, width]``.
            keys, values: Results of ``project``.
            mask: Whether each memory position exists, ``[n, s]``.
        """
        scores = self._split(self.query(x)) @ keys.transpose(2, 3) / math.sqrt(keys.shape[3])
        weights = scores.masked_fill(~mask[:, None, None, :], -math.inf).softmax(dim=3)
        return self._join(weights @ values), weights

    def to_itself(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return self-attention ``[n, s, width]`` over all positions of ``[n, s, width]`` that exist, ``[n, s]``."""
        keys, values = self.project(x)
        return self._join(
            functional.scaled_dot_product_attention(
                self._split(self.query(x)), keys, values, attn_mask=mask[:, None, None, :]
            )
        )

    def causal(self, x: Tensor, state: State) -> Tensor:
        """Return self-attention ``[n, t, width]`` over the next frames ``[n, t, width]`` and all earlier ones."""
        keys, values = self.project(x)
        if "keys" in state:
            keys = torch.cat([state["keys"], keys], dim=2)
            values = torch.cat([state["values"], values], dim=2)
        state["keys"], state["values"] = keys, values
        num, total = x.shape[1], keys.shape[2]
        seen = torch.ones(num, total, dtype=torch.bool, device=x.device).tril(total - num)
        return self._join(
            functional.scaled_dot_product_attention(self._split(self.query(x)), keys, values, attn_mask=seen)
        )

    def _split(self, x: Tensor) -> Tensor:
        split: Tensor = x.unflatten(2, (self.heads, -1))
        return split.transpose(1, 2)

    def _join(self, x: Tensor) -> Tensor:
        joined: Tensor = self.out(x.transpose(1, 2).flatten(2))
        return joined


def positions(start: int, length: int, width: int, like: Tensor) -> Tensor:
    """Return sinusoidal positions ``[length, width]`` from position ``start`` on (Vaswani et al., section 3.5)."""
    rates = torch.exp(
        torch.arange(0, width, 2, device=like.device, dtype=like.dtype) * (-math.log(10_000) / width)
    )
    angles = torch.arange(start, start + length, device=like.device, dtype=like.dtype)[:, None] * rates
    waves: Tensor = torch.stack([angles.sin(), angles.cos()], dim=2)
    return waves.flatten(1)[:, :width]


class Prenet(nn.Module):
    """Two small layers between a mel frame and the decoder. Their dropout is always on (Shen et al., ICASSP 2018)."""

    def __init__(self, num_mels: int, hidden: int, width: int, dropout: float) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(num_mels, hidden), nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, width, bias=False)
        self.dropout = dropout

    def forward(self, frames: Tensor) -> Tensor:
        """Return ``[n, t, width]`` for mel frames ``[n, t, num_mels]``."""
        x = functional.dropout(self.first(frames).relu(), self.dropout)
        x = functional.dropout(self.second(x).relu(), self.dropout)
        projected: Tensor = self.out(x)
        return projected
