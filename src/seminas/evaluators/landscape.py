"""Evaluator with the made-up accuracies of a synthetic landscape over a chain of choices."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from hashlib import blake2b
from math import prod

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtri

from seminas.config.evaluators import LandscapeSettings
from seminas.errors import UserError
from seminas.evaluators.base import Evaluator
from seminas.evaluators.evaluation import Evaluation
from seminas.spaces.base import SearchSpace
from seminas.spaces.sequence import Choices, SequenceSpace

WEIGHTS = {0: 1.0, 1: 0.7, 4: 0.5}
"""Weight of the effects of two positions by their distance. Distance 0 means the main effects of one position."""
WINDOW = 4
"""Largest distance of two positions with a common effect."""
SCALE = 12.0
"""Sum of effects at which the accuracy without noise is sigmoid(1)."""
MOST_COMBINATIONS = 5_000_000
"""Largest number of combinations at five neighboring positions for which the best architecture is computed."""


class Landscape:
    """The effects of a landscape, and the best architecture of a chain without forbidden combinations.

    All effects are independent standard normal numbers, times their weight. Random bits of PCG64 and an inverse
    distribution function make them, so they are the same with every version of NumPy.
    """

    def __init__(self, num_choices: Sequence[int], seed: int) -> None:
        """Draw the effects.

        Args:
            num_choices: Number of choices at each of P positions.
            seed: Seed of the effects and the noise.
        """
        self._num_choices, self._seed = list(num_choices), seed
        bits = np.random.PCG64(seed)
        # Effects of each pair of positions (p - distance, p), by p: (distance, effects [choices, choices]).
        # The main effects have distance 0 and one axis.
        self._effects: list[list[tuple[int, NDArray[np.float64]]]] = []
        for p, n in enumerate(self._num_choices):
            effects = []
            for distance, weight in WEIGHTS.items():
                if distance <= p:
                    shape = (self._num_choices[p - distance], n) if distance else (n,)
                    drawn = _normal(bits.random_raw(prod(shape)))
                    effects.append((distance, weight * drawn.reshape(shape)))
            self._effects.append(effects)

    def accuracies(self, architectures: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the accuracies without noise, fractions ``[n]``, of choices ``[n, P]``."""
        sums = np.zeros(len(architectures))
        for p, effects in enumerate(self._effects):
            for distance, effect in effects:
                positions = (p - distance, p) if distance else (p,)
                sums += effect[tuple(architectures[:, q] for q in positions)]
        accuracies: NDArray[np.float64] = expit(sums / SCALE)
        return accuracies

    def noise(self, architectures: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return standard normal numbers, ``[n]``, for choices ``[n, P]``. Each follows from the seed and its row."""
        texts = (" ".join(map(str, [self._seed, *row])) for row in architectures.tolist())
        bits = [int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") for text in texts]
        return _normal(np.array(bits, dtype=np.uint64))

    def best(self) -> Choices | None:
        """Return the best choices without noise, or None if there are more than ``MOST_COMBINATIONS`` to compare.

        Dynamic programming goes through the chain. Its state is the choices at the last four positions.
        """
        # Four positions with one choice each come before the chain, so every state has four choices.
        sizes = [1] * WINDOW + self._num_choices
        highest = np.zeros((1,) * WINDOW)  # Highest sum of effects so far, by state.
        earlier = []  # Best choice at position p - 4, by the state after position p.
        for p, effects in enumerate(self._effects):
            window = sizes[p : p + WINDOW + 1]
            if prod(window) > MOST_COMBINATIONS:
                return None
            sums = np.repeat(highest[..., None], window[-1], axis=-1)
            for distance, effect in effects:
                shape = [1] * (WINDOW + 1)
                shape[WINDOW - distance], shape[WINDOW] = window[WINDOW - distance], window[WINDOW]
                sums += effect.reshape(shape)
            earlier.append(sums.argmax(axis=0).astype(np.int32))
            highest = sums.max(axis=0)
        row = [int(i) for i in np.unravel_index(highest.argmax(), highest.shape)]
        for choices in reversed(earlier):
            row.insert(0, int(choices[tuple(row[:WINDOW])]))
        return tuple(row[WINDOW:])


def _normal(bits: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return standard normal numbers for random 64-bit numbers, ``[n]``."""
    numbers: NDArray[np.float64] = ndtri(((bits >> np.uint64(12)) + 0.5) / 2.0**52)
    return numbers


class LandscapeEvaluator(Evaluator[Choices]):
    """Evaluator with made-up accuracies. They are no measurements, and they say nothing about networks.

    The accuracy of an architecture is sigmoid(sum / 12) plus noise. The sum adds the main effect of the choice at each
    position, 0.7 times the effect of the choices at each pair of neighboring positions, and 0.5 times the effect of
    the choices at each pair of positions four apart. Effects are independent standard normal numbers.

    The validation accuracy has normal noise, which follows from the seed and the architecture. The test accuracy has no
    noise.
    """

    simulates_time = True

    def __init__(self, space: SearchSpace[Choices], seed: int, settings: LandscapeSettings) -> None:
        """Draw the landscape.

        Args:
            space: Search space, a chain of choices.
            seed: Seed of the run. It is the seed of the landscape if the settings have none.
            settings: Seed of the landscape, noise and number of simulated workers.

        Raises:
            UserError: The space is no chain of choices.
        """
        if not isinstance(space, SequenceSpace):
            raise UserError(
                f"evaluator=landscape: space={space.name} is no chain of choices; choose one, such as space=mobilenet"
            )
        self._space, self._noise, self.num_simulated = space, settings.noise, settings.num_workers
        self._landscape = Landscape(space.num_choices, seed if settings.seed is None else settings.seed)
        self._is_whole = space.size == prod(space.num_choices)

    def evaluate(self, architectures: Sequence[Choices]) -> Iterator[tuple[int, Evaluation]]:
        """Yield the position and the evaluation of each architecture in their order. Each costs one second."""
        for i, accuracy in enumerate(self.val_accuracies(architectures).tolist()):
            yield i, Evaluation(accuracy, 1.0)

    def val_accuracies(self, architectures: Sequence[Choices]) -> NDArray[np.float64]:
        """Return validation accuracies with noise, fractions ``[n]``. Repeated calls return the same accuracies."""
        rows = self._rows(architectures)
        noisy = self._landscape.accuracies(rows) + self._noise * self._landscape.noise(rows)
        return noisy.clip(0, 1)

    def test(self, architecture: Choices) -> float:
        """Return the accuracy of an architecture without noise, a fraction."""
        return self.look_up_tests([architecture])[0]

    def look_up_tests(self, architectures: Sequence[Choices]) -> list[float]:
        """Return the accuracy of each architecture without noise, fractions."""
        accuracies: list[float] = self._landscape.accuracies(self._rows(architectures)).tolist()
        return accuracies

    @cached_property
    def best(self) -> Choices | None:
        """The architecture with the highest accuracy without noise, computed at the first use.

        None if the space has forbidden combinations or a budget that excludes an architecture, or if five neighboring
        positions have more than ``MOST_COMBINATIONS`` combinations.
        """
        return self._landscape.best() if self._is_whole else None

    def best_there_is(self) -> dict[str, float] | None:
        """Return the highest test accuracy of the space, or None if ``best`` is not known.

        The test accuracy is the accuracy without noise, so this is the accuracy of ``best``. The highest validation
        accuracy depends on the noise of all architectures, so the result has it only if the noise is 0.
        """
        if self.best is None:
            return None
        accuracy = self.test(self.best)
        without_noise = {"val_accuracy": accuracy} if self._noise == 0 else {}
        return {**without_noise, "test_accuracy": accuracy}

    def regret(self, architecture: Choices) -> float | None:
        """Return the test accuracy of ``best`` minus that of an architecture, or None if ``best`` is not known."""
        return None if self.best is None else self.test(self.best) - self.test(architecture)

    def _rows(self, architectures: Sequence[Choices]) -> NDArray[np.int64]:
        return np.array(architectures, dtype=np.int64).reshape(-1, self._space.max_length)
