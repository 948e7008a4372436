"""Pictures of spoken texts."""

from collections.abc import Sequence

import numpy as np
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
    lower.imshow(attention.T, origin="lower", aspect="auto", interpolation="nearest", vmin=0)
    lower.set_yticks(range(len(phonemes)), phonemes, fontsize=max(4, min(9, 220 // max(1, len(phonemes)))))
    lower.set_ylabel("phoneme")
    lower.set_xlabel("frame")
    return figure
