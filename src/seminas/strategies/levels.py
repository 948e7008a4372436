"""Scores after few epochs, carried to the scale of full trainings."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

WEIGHT_OF_PRIOR = 3.0
"""Weight of the prior slope 1, in architectures. With few pairs, a line between two levels is nearly a shift."""


def at_full_fidelity(scores: Sequence[Mapping[Any, float | None]]) -> dict[Any, float | None]:
    """Return the estimated score of each architecture after a full training.

    The score of the highest level that an architecture has reached passes through one line for each further level. A
    line is the ridge regression of the scores of a level on those of the level before, over the architectures with
    both. Without such architectures it changes nothing. Promoted architectures were chosen by their score at the lower
    level, and a regression on this score is not biased by this choice.

    Args:
        scores: Score of each architecture at each level, the full level last. None means that its evaluation failed.

    Returns:
        The estimates. None means that the evaluation at the highest level of the architecture failed.
    """
    estimates: dict[Any, float | None] = {}
    for level, of_level in enumerate(scores):
        if level:
            before = scores[level - 1]
            pairs = [(before.get(a), score) for a, score in of_level.items()]
            both = np.array([pair for pair in pairs if None not in pair], dtype=np.float64).reshape(-1, 2)
            known = np.array([score for score in before.values() if score is not None], dtype=np.float64)
            slope, shift = _line(both, float(known.var()) if len(known) else 0.0)
            estimates = {a: None if s is None else slope * s + shift for a, s in estimates.items()}
        estimates.update(of_level)
    return estimates


def _line(pairs: "np.ndarray[Any, np.dtype[np.float64]]", variance: float) -> tuple[float, float]:
    """Return slope and shift of the line through pairs ``[n, 2]``, for lower scores of a variance."""
    if not len(pairs):
        return 1.0, 0.0
    center = pairs.mean(axis=0)
    x, y = (pairs - center).T
    prior = WEIGHT_OF_PRIOR * variance + 1e-12
    slope = float((x @ y + prior) / (x @ x + prior))
    return slope, float(center[1] - slope * center[0])
