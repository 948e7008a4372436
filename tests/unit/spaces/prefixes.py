"""Check of the legal tokens after each prefix of an architecture's tokens."""

import numpy as np
import torch

from seminas.spaces.sequence import SequenceSpace


def check_legal_prefixes(space: SequenceSpace) -> None:
    """Check that the legal prefixes of tokens are exactly those of the architectures of a small space."""
    tokens = space.encode(space.at(np.arange(space.size)))
    prefixes: set[tuple[int, ...]] = {()}
    for t in range(space.max_length):
        ordered = sorted(prefixes)
        mask = space.legal_tokens(torch.tensor(ordered, dtype=torch.long).reshape(len(ordered), t))
        following = {
            (*p, k) for p, row in zip(ordered, mask, strict=True) for k in row.nonzero()[:, 0].tolist()
        }
        assert following == {tuple(row[: t + 1]) for row in tokens.tolist()}
        prefixes = following
