"""Tokens of the choices of a sequence space."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class Vocabulary:
    """Tokens of the choices at P positions. Choices with the same name at two positions have the same token.

    Attributes:
        names: Name of each token from 1 on. Token 0 is padding.
        num_tokens: Number of tokens with padding.
        of_position: Token of each choice at each position.
    """

    def __init__(self, choices: Sequence[Sequence[str]]) -> None:
        """Number the names of the choices in the order of their first position."""
        self.names = list(dict.fromkeys(name for of_position in choices for name in of_position))
        self.num_tokens = 1 + len(self.names)
        token_of = {name: token for token, name in enumerate(self.names, start=1)}
        self.of_position = [np.array([token_of[name] for name in of_position]) for of_position in choices]
        self._choice = np.full((len(choices), self.num_tokens), -1)
        for p, tokens in enumerate(self.of_position):
            self._choice[p, tokens] = np.arange(len(tokens))

    def encode(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the tokens of choices, ``[n, P]``."""
        columns = [tokens[rows[:, p]] for p, tokens in enumerate(self.of_position)]
        return np.stack(columns, axis=1).astype(np.int64)

    def decode(self, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the choices of tokens at the first t positions, ``[n, t]``. -1 means that the position has no such."""
        known = (tokens >= 0) & (tokens < self.num_tokens)
        rows = self._choice[np.arange(tokens.shape[1]), tokens.clip(0, self.num_tokens - 1)]
        return np.where(known, rows, -1)
