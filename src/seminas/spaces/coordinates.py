"""Features of a sequence space: one-hot categories, and coordinates of ordered values."""

from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from seminas.spaces.positions import Position
from seminas.spaces.views import one_hot

MOST_PAIRS = 10_000
"""Largest number of features in the group of the pairs."""
WIDTH = 2.0**0.5
"""Distance of the first and the last value of an ordered position. Two one-hot categories have the same distance."""


def features(rows: NDArray[np.int64], positions: Sequence[Position]) -> NDArray[np.float32]:
    """Return the features of architectures, ``[n, F]``.

    A category is one-hot. Without a condition, an ordered position is one coordinate: its values are evenly spaced from
    -√2/2 to √2/2. With a condition, it has a second feature: √2 if it does not count, and otherwise 0.

    Args:
        rows: Index of the choice at each position, ``[n, P]``.
        positions: The P positions.
    """
    return np.concatenate([_code(rows[:, p], position) for p, position in enumerate(positions)], axis=1)


def kernel_features(rows: NDArray[np.int64], positions: Sequence[Position]) -> list[NDArray[np.float32]]:
    """Return the features and, if these are not too many, a group of the pairs of positions.

    Among categories alone, the group has the one-hot pairs of choices at neighboring positions. With ordered positions,
    it has the products of the features of all pairs of positions, and the squares of the coordinates. So a linear
    kernel on it fits a smooth hill, whose top may lie anywhere.

    Args:
        rows: Index of the choice at each position, ``[n, P]``.
        positions: The P positions.
    """
    first = features(rows, positions)
    sizes = [len(position.choices) for position in positions]
    if any(position.ordered for position in positions):
        further = _products(rows, positions)
        return [first] if further is None else [first, further]
    num_pairs = sum(a * b for a, b in pairwise(sizes))
    if not 0 < num_pairs <= MOST_PAIRS:
        return [first]
    codes = [
        one_hot((rows[:, p] * b + rows[:, p + 1])[:, None], a * b) for p, (a, b) in enumerate(pairwise(sizes))
    ]
    return [first, np.concatenate(codes, axis=1)]


def ordered_features(positions: Sequence[Position]) -> NDArray[np.int64] | None:
    """Return the number of the ordered position of each of the ``features``, from 1, and 0 for the others, ``[F]``.

    The result is None without ordered positions.
    """
    numbers: list[int] = []
    for position in positions:
        width = _code(np.zeros(1, dtype=np.int64), position).shape[1]
        numbers += [max(numbers, default=0) + 1 if position.ordered else 0] * width
    return np.array(numbers) if any(numbers) else None


def _code(values: NDArray[np.int64], position: Position) -> NDArray[np.float32]:
    """Return the features of one position, ``[n, F]``."""
    n = len(position.values)
    if not position.ordered:
        return one_hot(values[:, None], len(position.choices))
    coordinate = WIDTH * (values / max(n - 1, 1) - 0.5) if n > 1 else np.zeros(len(values))
    columns = [np.where(values < n, coordinate, 0.0)]
    if position.when is not None:
        columns.append(np.where(values < n, 0.0, WIDTH))
    return np.stack(columns, axis=1).astype(np.float32)


def _products(rows: NDArray[np.int64], positions: Sequence[Position]) -> NDArray[np.float32] | None:
    """Return the products of the features of pairs of positions and the squares, or None if they are too many."""
    codes = [_code(rows[:, p], position) for p, position in enumerate(positions)]
    pairs = list(combinations(range(len(codes)), 2))
    number = sum(codes[p].shape[1] * codes[q].shape[1] for p, q in pairs)
    if number > MOST_PAIRS:
        pairs = list(pairwise(range(len(codes))))
        number = sum(codes[p].shape[1] * codes[q].shape[1] for p, q in pairs)
        if number > MOST_PAIRS:
            return None
    columns = [(codes[p][:, :, None] * codes[q][:, None, :]).reshape(len(rows), -1) for p, q in pairs]
    # The square of a coordinate from -1 to 1, centered and scaled: the second Legendre polynomial.
    squares = [
        3 * c[:, :1] ** 2 - 0.5 for c, position in zip(codes, positions, strict=True) if position.ordered
    ]
    return np.concatenate([*columns, *squares], axis=1).astype(np.float32)
