"""A fitted controller. It predicts accuracies with its networks and, if the settings ask for it, a random forest."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
import torch
from numpy.typing import NDArray

from seminas.controller.gaussian_process import GaussianProcess, fit_gaussian_process, informative
from seminas.controller.models.inputs import Inputs, as_inputs
from seminas.controller.models.network import ControllerNetwork
from seminas.controller.targets import Targets
from seminas.execution.threads import one_thread
from seminas.spaces.base import A, EnumerableSpace, SearchSpace

CHUNK = 128
"""Number of architectures in one prediction. It is small, so the states fit into the processor's cache."""
GPU_CHUNK = 8_192
"""Number of architectures in one prediction on a GPU."""
CPU = torch.device("cpu")
BLOCK = 20_000
"""Number of architectures turned into tensors together. Equal architectures in a block are predicted once."""


@dataclass(frozen=True)
class Opinion(ABC, Generic[A]):
    """Base class of models beside the networks, which make other errors than the networks.

    Attributes:
        space: Space that computes the features.
        weight: Weight of the model's predictions, from 0 to 1. The other predictions have the weight 1 - weight.
    """

    space: SearchSpace[A]
    weight: float

    def predict(self, architectures: Sequence[A]) -> NDArray[np.float64]:
        """Return predictions ``[n]``, on the scale of the targets."""
        starts = range(0, len(architectures), BLOCK)
        return np.concatenate([np.empty(0), *(self._predict(architectures[i : i + BLOCK]) for i in starts)])

    @abstractmethod
    def _predict(self, architectures: Sequence[A]) -> NDArray[np.float64]:
        """Return the predictions of at most ``BLOCK`` architectures."""


def mixed(
    mean: NDArray[np.float64], opinions: Iterable[Opinion[A] | None], architectures: Sequence[A]
) -> NDArray[np.float64]:
    """Return the networks' predictions ``mean``, ``[n]``, with the opinions mixed in by their weights."""
    for opinion in opinions:
        if opinion is not None:
            mean = (1 - opinion.weight) * mean + opinion.weight * opinion.predict(architectures)
    return mean


@dataclass(frozen=True)
class Forest(Opinion[A]):
    """A random forest (Breiman, Machine Learning, 2001) on a space's features.

    Attributes:
        regressor: Fitted forest.
    """

    regressor: Any

    def _predict(self, architectures: Sequence[A]) -> NDArray[np.float64]:
        predicted: NDArray[np.float64] = self.regressor.predict(self.space.described_features(architectures))
        return predicted


def fit_forest(
    space: SearchSpace[A],
    architectures: Sequence[A],
    targets: NDArray[np.float64],
    weight: float,
    seed: int,
) -> Forest[A] | None:
    """Return a forest fitted on architectures and their targets ``[n]``, or None if ``weight`` is 0."""
    if not weight:
        return None
    from sklearn.ensemble import RandomForestRegressor

    regressor = RandomForestRegressor(500, max_features=0.33, random_state=seed % 2**32)
    return Forest(space, weight, regressor.fit(space.described_features(architectures), targets))


@dataclass(frozen=True)
class ProcessTeacher(Opinion[A]):
    """A Gaussian process as a teacher.

    Attributes:
        process: Process fitted on standardised targets.
        center: Mean of the targets.
        scale: Standard deviation of the targets.
    """

    process: GaussianProcess
    center: float
    scale: float

    def _predict(self, architectures: Sequence[A]) -> NDArray[np.float64]:
        mean, _ = self.process.predict(self.space.described_groups(architectures))
        return self.center + self.scale * mean


def fit_process_teacher(
    space: SearchSpace[A], architectures: Sequence[A], targets: NDArray[np.float64], weight: float
) -> ProcessTeacher[A] | None:
    """Return a process fitted on architectures and their targets ``[n]``, or None if ``weight`` is 0."""
    if not weight:
        return None
    kept = informative(targets)
    targets = targets[kept]
    center, scale = float(targets.mean()), float(targets.std()) or 1.0
    features = space.described_groups([architectures[i] for i in kept])
    process = fit_gaussian_process(features, (targets - center) / scale, space.ordered_features)
    return ProcessTeacher(space, weight, process, center, scale)


class Controller(Generic[A]):
    """A fitted controller. Its members are the teachers and the student.

    Attributes:
        space: Space of the architectures.
        student: Network of the student: encoder, head and decoder. The search improves and decodes architectures with
            this network.
        teachers: Network of the teachers: encoders and heads. Each teacher's prediction has the same weight as
            the student's prediction. None if the student is the only member.
        targets: Scale of the predictions.
        forest: Random forest, mixed into the members' mean prediction. None if the settings ask for no forest.
        process: Gaussian process, mixed into the prediction. None if the settings ask for no process.
        device: Device of the networks.
    """

    def __init__(
        self,
        space: SearchSpace[A],
        student: ControllerNetwork,
        teachers: ControllerNetwork | None,
        targets: Targets,
        forest: "Forest[A] | None" = None,
        device: torch.device = CPU,
        process: "ProcessTeacher[A] | None" = None,
    ) -> None:
        self.space, self.device, self.process = space, device, process
        self.student = student.eval().requires_grad_(False).to(device)
        self.teachers = None if teachers is None else teachers.eval().requires_grad_(False).to(device)
        self.targets = targets
        self.forest = forest

    @one_thread()
    def scores(self, architectures: Sequence[A]) -> NDArray[np.float64]:
        """Return the predictions of the teachers and of the student, ``[E, n]``, on the scale of the targets."""
        blocks = [
            self.input_scores(as_inputs(self.space, architectures[i : i + BLOCK]))
            for i in range(0, len(architectures), BLOCK)
        ]
        return np.concatenate(blocks, axis=1) if blocks else np.empty((len(self._networks), 0))

    def score_space(self) -> NDArray[np.float64]:
        """Return the scores of all architectures of an enumerable space, ``[E, size]``, in the order of their numbers.

        Raises:
            TypeError: The space does not number its architectures.
        """
        if not isinstance(self.space, EnumerableSpace):
            raise TypeError(f"space {self.space.name} does not number its architectures")
        numbers = np.arange(self.space.size)
        blocks = [self.scores(self.space.at(numbers[i : i + BLOCK])) for i in range(0, len(numbers), BLOCK)]
        return np.concatenate(blocks, axis=1)

    def mean_scores(self, architectures: Sequence[A]) -> NDArray[np.float64]:
        """Return predictions, ``[n]``, on the scale of the targets.

        A prediction is the mean over the members. If the controller has a forest or a Gaussian process, its prediction
        is mixed in.
        """
        if self.process is not None and self.process.weight == 1:
            return self.process.predict(architectures)
        return mixed(self.scores(architectures).mean(axis=0), (self.forest, self.process), architectures)

    def predict(self, architectures: Sequence[A]) -> NDArray[np.float64]:
        """Return predicted accuracies, ``[n]``, as fractions."""
        return self.targets.accuracies(self.mean_scores(architectures))

    @property
    def _networks(self) -> list[ControllerNetwork]:
        return [network for network in (self.teachers, self.student) if network is not None]

    def input_scores(self, inputs: Inputs) -> NDArray[np.float64]:
        """Return the scores of architectures in tensor form, ``[E, n]``. Equal architectures are predicted once."""
        inputs, row = inputs.distinct(self.student.encoder.reads)
        with torch.inference_mode():
            parts = [
                torch.cat([network.predict(part.to(self.device)) for network in self._networks])
                for part in inputs.split(CHUNK if self.device.type == "cpu" else GPU_CHUNK)
            ]
        return torch.cat(parts, dim=1).cpu().double().numpy()[:, row]
