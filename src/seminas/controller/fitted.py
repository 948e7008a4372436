"""A fitted controller: predictions of accuracies, with a random forest beside the networks where one is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
import torch
from numpy.typing import NDArray

from seminas.controller.models.inputs import Inputs, as_inputs
from seminas.controller.models.network import ControllerNetwork
from seminas.controller.targets import Targets
from seminas.controller.threads import one_thread
from seminas.spaces.base import A, EnumerableSpace, SearchSpace

CHUNK = 128
"""Architectures predicted at once: few enough that the states stay in the processor's cache."""
BLOCK = 20_000
"""Architectures made tensors of at once, among which equal ones are predicted once."""


@dataclass(frozen=True)
class Forest(Generic[A]):
    """A random forest (Breiman, Machine Learning, 2001) on a space's features. Its errors differ from the networks'.

    Attributes:
        space: Whose features it reads.
        regressor: The fitted forest.
        weight: Of its predictions against the networks', from 0 to 1.
    """

    space: SearchSpace[A]
    regressor: Any
    weight: float

    def mixed_with(self, mean: NDArray[np.float64], architectures: Sequence[A]) -> NDArray[np.float64]:
        """Return the weighted mean of the networks' predictions, ``[n]``, and its own."""
        blocks = [
            self.regressor.predict(self.space.features(architectures[i : i + BLOCK]))
            for i in range(0, len(architectures), BLOCK)
        ]
        return (1 - self.weight) * mean + self.weight * np.concatenate(blocks) if blocks else mean


def fit_forest(
    space: SearchSpace[A],
    architectures: Sequence[A],
    targets: NDArray[np.float64],
    weight: float,
    seed: int,
) -> Forest[A] | None:
    """Return a forest fitted on architectures with targets ``[n]``; None where its weight is 0."""
    if not weight:
        return None
    from sklearn.ensemble import RandomForestRegressor

    regressor = RandomForestRegressor(500, max_features=0.33, random_state=seed % 2**32)
    return Forest(space, regressor.fit(space.features(architectures), targets), weight)


class Controller(Generic[A]):
    """A fitted controller.

    Attributes:
        student: Encoder, head and decoder. It moves and writes architectures.
        teachers: Encoders and heads, whose predictions count as much as the student's; None where the student is the
            only member.
        targets: The scale of the predictions.
        forest: A random forest whose prediction counts with its weight; None without one.
    """

    def __init__(
        self,
        space: SearchSpace[A],
        student: ControllerNetwork,
        teachers: ControllerNetwork | None,
        targets: Targets,
        forest: "Forest[A] | None" = None,
    ) -> None:
        self.space = space
        self.student = student.eval().requires_grad_(False)
        self.teachers = None if teachers is None else teachers.eval().requires_grad_(False)
        self.targets = targets
        self.forest = forest

    @one_thread()
    def scores(self, architectures: Sequence[A]) -> NDArray[np.float64]:
        """Return the teachers' and the student's predictions, ``[E, n]``, on the scale of the targets."""
        blocks = [
            self.input_scores(as_inputs(self.space, architectures[i : i + BLOCK]))
            for i in range(0, len(architectures), BLOCK)
        ]
        return np.concatenate(blocks, axis=1) if blocks else np.empty((len(self._networks), 0))

    def score_space(self) -> NDArray[np.float64]:
        """Return the scores of all architectures of a space that numbers them, ``[E, size]``, in its order.

        Raises:
            TypeError: The space does not number its architectures.
        """
        if not isinstance(self.space, EnumerableSpace):
            raise TypeError(f"space {self.space.name} does not number its architectures")
        numbers = np.arange(self.space.size)
        blocks = [self.scores(self.space.at(numbers[i : i + BLOCK])) for i in range(0, len(numbers), BLOCK)]
        return np.concatenate(blocks, axis=1)

    def mean_scores(self, architectures: Sequence[A]) -> NDArray[np.float64]:
        """Return predictions, ``[n]``, on the scale of the targets: the members' mean, mixed with the forest's."""
        mean = self.scores(architectures).mean(axis=0)
        return mean if self.forest is None else self.forest.mixed_with(mean, architectures)

    def predict(self, architectures: Sequence[A]) -> NDArray[np.float64]:
        """Return predicted accuracies, ``[n]``, as fractions."""
        return self.targets.accuracies(self.mean_scores(architectures))

    @property
    def _networks(self) -> list[ControllerNetwork]:
        return [network for network in (self.teachers, self.student) if network is not None]

    def input_scores(self, inputs: Inputs) -> NDArray[np.float64]:
        """Return the scores of architectures as tensors, ``[E, n]``; equal ones are predicted once."""
        inputs, row = inputs.distinct(self.student.encoder.reads)
        with torch.inference_mode():
            parts = [
                torch.cat([network.predict(part) for network in self._networks])
                for part in inputs.split(CHUNK)
            ]
        return torch.cat(parts, dim=1).double().numpy()[:, row]
