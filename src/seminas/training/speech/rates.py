"""Measures of the attention of decoded sentences: focus rate, diagonal focus rate, phoneme coverage."""

from collections.abc import Sequence

import torch
from torch import Tensor

from seminas.runs.metric import FRACTION, Metric
from seminas.spaces.tts.network import Spoken

BAND_SHARE, BAND_FRAMES = 5, 50
"""The half width of the band around the diagonal: the frames of a sentence divided by 5, and at most 50 frames."""


def diagonal_focus_rate(attention: Tensor) -> Tensor:
    """Return the share of attention in a band around the diagonal (Ren et al., NeurIPS 2019).

    Args:
        attention: Weights of each frame over the phonemes, ``[..., t, s]``. Each row sums to 1.

    Returns:
        A fraction for each matrix, ``[...]``.
    """
    t, s = attention.shape[-2:]
    frame = torch.arange(t, device=attention.device)[:, None]
    diagonal = torch.arange(s, device=attention.device)[None, :] * t / s
    band = (frame - diagonal).abs() <= min(t / BAND_SHARE, BAND_FRAMES)
    return (attention * band).sum(dim=(-2, -1)) / t


def focus_rate(attention: Tensor) -> Tensor:
    """Return the mean over the frames of the largest weight, a fraction, ``[...]`` for ``[..., t, s]``."""
    return attention.amax(dim=-1).mean(dim=-1)


def phoneme_coverage(attention: Tensor) -> Tensor:
    """Return the mean over the phonemes of the largest weight that any frame gives it, a fraction."""
    return attention.amax(dim=-2).mean(dim=-1)


RATES = {
    "diagonal_focus_rate": diagonal_focus_rate,
    "focus_rate": focus_rate,
    "phoneme_coverage": phoneme_coverage,
}
"""Measures by name."""
MEL_LOSS = Metric("val_mel_loss", "minimize")


def objective_metric(objective: str) -> Metric:
    """Return the metric of the validation utterances that a search maximizes."""
    return Metric(f"val_{objective}", "maximize", FRACTION)


def further_metrics(objective: str) -> list[Metric]:
    """Return the further metrics of the validation utterances: the other rates, and the loss of the frames."""
    return [*(objective_metric(name) for name in RATES if name != objective), MEL_LOSS]


def most_diagonal(attention: Sequence[Tensor]) -> Tensor:
    """Return the attention of the decoder layer and head that is most diagonal, weights ``[t, s]``.

    Args:
        attention: Weights ``[heads, t, s]`` of each decoder layer.
    """
    every = torch.cat(list(attention))
    return every[int(diagonal_focus_rate(every).argmax())]


def rates_in(attention: Tensor) -> dict[str, float]:
    """Return the measures of one attention ``[t, s]`` by name. They are NaN if the network has diverged."""
    return {name: float(rate(attention).clamp(max=1.0)) for name, rate in RATES.items()}


def rates_of(spoken: Spoken, lengths: Tensor) -> list[dict[str, float]]:
    """Return the measures of each sentence by name.

    Args:
        spoken: n decoded sentences.
        lengths: Number of phonemes of each sentence, ``[n]``.
    """
    found = []
    for i, (t, s) in enumerate(zip(spoken.lengths.tolist(), lengths.tolist(), strict=True)):
        found.append(rates_in(most_diagonal([layer[i, :, :t, :s].float() for layer in spoken.attention])))
    return found
