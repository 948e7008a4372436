"""Pictures of spoken texts."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray


def draw_spoken(
    mel: NDArray[np.float32], attention: NDArray[np.float32], phonemes: Sequence[str], title: str
) -> Figure:
    """Return a picture of mel frames ``[t, bins]`` above the attention ``[t, s]`` over the phonemes."""
    figure = Figure(figsize=(9, 6), layout="constrained")
    upper, lower = figure.subplots(2, sharex=True)
    upper.imshow(mel.T, origin="lower", aspect="auto", interpolation="nearest")
    upper.set_ylabel("mel bin")
    upper.set_title(title)
    _draw_attention(lower, attention, phonemes, 220)
    return figure


def draw_alignment(attention: NDArray[np.float32], phonemes: Sequence[str]) -> Figure:
    """Return a small picture of the attention ``[t, s]`` over the phonemes."""
    figure = Figure(figsize=(5, 3), layout="constrained")
    _draw_attention(figure.subplots(), attention, phonemes, 150)
    return figure


def _draw_attention(
    axes: Axes, attention: NDArray[np.float32], phonemes: Sequence[str], points: float
) -> None:
    """Draw attention ``[t, s]``. ``points`` is the height of the axes, which decides the size of the labels."""
    axes.imshow(attention.T, origin="lower", aspect="auto", interpolation="nearest", vmin=0)
    axes.set_yticks(range(len(phonemes)), phonemes, fontsize=max(4, min(9, points / max(1, len(phonemes)))))
    axes.set_ylabel("phoneme")
    axes.set_xlabel("frame")
