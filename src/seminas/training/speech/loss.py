"""Losses of text-to-speech networks."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from seminas.spaces.tts.network import Spoken
from seminas.training.speech.batches import Batch

GUIDE_WIDTH = 0.2
"""Width of the diagonal that guided attention allows, as a share of the sentence (Tachibana et al., ICASSP 2018)."""


class Losses(NamedTuple):
    """Losses of a batch, scalars.

    Attributes:
        mel: Mean squared error of the frames that exist.
        stop: Cross-entropy of the stop logits of these frames.
    """

    mel: Tensor
    stop: Tensor


def losses(spoken: Spoken, batch: Batch, stop_weight: float) -> Losses:
    """Return the losses of predictions.

    Args:
        spoken: Predictions of the frames of the batch.
        batch: True frames.
        stop_weight: Weight of a last frame in the loss of the stop logits.
    """
    frames, mask = _frames(batch)
    number = mask.sum()
    error = (spoken.mel - batch.mel).square().mean(dim=2)
    last = (frames == batch.mel_lengths[:, None] - 1).to(spoken.stop)
    stop = functional.binary_cross_entropy_with_logits(
        spoken.stop, last, reduction="none", pos_weight=spoken.stop.new_tensor(stop_weight)
    )
    return Losses((error * mask).sum() / number, (stop * mask).sum() / number)


def guide(spoken: Spoken, batch: Batch) -> Tensor:
    """Return the mean attention far from the diagonal, weighted by the distance, a scalar (Tachibana et al.).

    The attention is the mean of the first heads of all layers.
    """
    _, mask = _frames(batch)
    t, s = batch.mel.shape[1], batch.phonemes.shape[1]
    frame = torch.arange(t, device=batch.mel.device)[None, :, None] / batch.mel_lengths[:, None, None]
    phoneme = torch.arange(s, device=batch.mel.device)[None, None, :] / batch.lengths[:, None, None]
    penalty = 1 - torch.exp(-((frame - phoneme) ** 2) / (2 * GUIDE_WIDTH**2))
    weights = torch.stack([layer[:, 0] for layer in spoken.attention]).mean(dim=0)
    return (weights * penalty * mask[:, :, None]).sum() / mask.sum()


def _frames(batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the indices of the frames ``[t]``, and whether each frame exists, ``[n, t]``."""
    frames = torch.arange(batch.mel.shape[1], device=batch.mel.device)
    return frames, frames < batch.mel_lengths[:, None]
