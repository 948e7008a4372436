"""Evaluator that trains each architecture from scratch. Several trainings can run in parallel."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seminas.config.recipe import Recipe
from seminas.config.training_evaluator import TrainingEvaluatorSettings
from seminas.errors import UserError
from seminas.evaluators.base import Evaluator
from seminas.evaluators.evaluation import Evaluation, one_line
from seminas.evaluators.promise import Promise
from seminas.evaluators.speech_trial import SpeechTrial
from seminas.evaluators.trial import Outcome, Trial
from seminas.evaluators.workers import OnEngine, Workers
from seminas.execution.base import LostError
from seminas.execution.engines import make_engine
from seminas.spaces.base import A, SearchSpace
from seminas.spaces.capabilities import require
from seminas.spaces.cost import count_parameters
from seminas.spaces.exact import ExactCosts
from seminas.spaces.rungs import Rung
from seminas.training.kept_checkpoints import KeptCheckpoints

TRAININGS = "trainings"
"""Folder in the run folder with the checkpoints of unfinished and of shorter trainings."""


class TrainingEvaluator(Evaluator[A]):
    """Evaluator that trains architectures from scratch and measures them on the validation data.

    The data decides the metric: the validation accuracy of images, or a measure of attention of speech.

    Each architecture has its own seed, which follows from its key and ``seed``. So its value does not depend on the
    order of the trainings or on the process. A second training has another seed, which also follows from both.

    A rung goes on from the checkpoint that a shorter training of the same architecture has kept in the run folder. It
    computes the same as a training that has not stopped. Without the checkpoint it begins again, and its cost says so.
    """

    def __init__(
        self,
        space: SearchSpace[A],
        seed: int,
        settings: TrainingEvaluatorSettings,
        images: Mapping[str, Any] | None = None,
        recipe: Recipe | None = None,
        folder: Path | None = None,
        speech: Mapping[str, Any] | None = None,
    ) -> None:
        """Initialize the evaluator. The worker processes start with the first evaluations.

        Args:
            space: Search space that builds networks.
            seed: Seed of the trainings. An architecture's own seed follows from this seed and its key.
            settings: Settings of the engine and its workers.
            images: Section ``data.images`` of the config. Each process loads the data once.
            recipe: Settings of the training of each architecture.
            folder: Run folder, for the files of Slurm jobs and for the checkpoints of unfinished trainings. None means
                no checkpoints. ``engine=slurm`` needs it.
            speech: Section ``data.speech`` of the config, in place of ``data.images``.

        Raises:
            UserError: The space builds no networks, or cannot build them for these data and this recipe. Or the engine
                cannot start.
        """
        section, kind = (images, Trial) if speech is None else (speech, SpeechTrial)
        require(space, kind.capability, "evaluator=training")
        if section is None or recipe is None:
            raise UserError("evaluator=training: needs data, such as data=digits")
        self.fidelities = settings.levels(recipe)
        self._space = space
        trainings = None if folder is None else folder.absolute() / TRAININGS
        self._kept = None if trainings is None else KeptCheckpoints(trainings)
        max_gb = settings.max_checkpoint_gb
        max_bytes = math.inf if max_gb is None else 1e9 * max_gb
        self._promise = None if self._kept is None else Promise(self._kept, recipe.epochs, max_bytes)
        self._running: dict[str, float] = {}
        """Cost of each running evaluation at a fidelity, in full trainings, by the key of its architecture."""
        self._searches = False
        """Whether an evaluation has begun. A search that goes on first begins those again that were killed."""
        self._trial = kind(
            space,
            section,
            recipe,
            seed,
            settings.accelerator,
            trainings,
            settings.checkpoint_every_s,
            settings.num_devices,
            settings.cooldown,
        )
        self.metric, self.metrics = self._trial.metric, self._trial.metrics
        try:
            self._trial.check(space.sample(1, np.random.default_rng(0))[0])
        except UserError:
            raise
        except Exception as error:  # For wrong arguments, networks raise exceptions of many types.
            raise UserError(f"data.recipe.networks.{space.name}: {one_line(error)}") from error
        self._engine = make_engine(settings, self._trial, folder)

    def evaluate(self, architectures: Sequence[A]) -> Iterator[tuple[int, Evaluation]]:
        """Train architectures. Yield the position and the evaluation of each when its training ends.

        If the worker of a training dies, the training is repeated once. If the second worker also dies, the evaluation
        fails.
        """
        for i, outcome in self.measure(architectures, ("val",)):
            yield i, self._as_evaluation(outcome)

    def no_retraining(self) -> str | None:
        """See the base class. A second training has a seed of its own."""
        return None

    def workers(self) -> Workers[A]:
        """Return the workers of the engine."""
        return OnEngine(self._engine, "outcome", self._begun, self._as_evaluation)

    def _begun(self, element: Any) -> tuple[Any, ...]:
        """Return the arguments of an evaluation that begins."""
        self._searches = True
        if isinstance(element, Rung):
            self._running[self._space.key(element.architecture)] = self.cost_of(element)
        return element, ("val",)

    def cost_of(self, element: Any) -> float:
        """Return the cost of an evaluation in full trainings. Epochs of a checkpoint that is there cost nothing."""
        if not isinstance(element, Rung):
            return super().cost_of(element)
        key = self._space.key(element.architecture)
        if key in self._running:
            return self._running[key]
        start = 0
        if element.trained and self._kept is not None:
            newest = self._kept.newest(key, self._trial.plan(element.epochs).latest_start)
            # A checkpoint of more epochs is of this evaluation itself, which was killed.
            start = min(newest, self._trial.plan(element.trained).kept)
        return (element.epochs - start) / self.fidelities[-1]

    def recorded(self, element: Any, score: float | None) -> None:
        """Remove checkpoints that the search does not need any more, or that are beyond the limit of their size."""
        if isinstance(element, Rung):
            key = self._space.key(element.architecture)
            self._running.pop(key, None)
            if self._promise is not None:
                self._promise.add(key, element.epochs, score)
                if self._searches:
                    self._promise.limit(self._running)

    def ended(self) -> None:
        """Remove the checkpoints that a longer search would hardly need."""
        if self._promise is not None:
            self._promise.end()

    def measure(self, architectures: Sequence[A], splits: Sequence[str]) -> "Iterator[tuple[int, Outcome]]":
        """Train architectures. Yield the position and the outcome of each when its training ends, as ``evaluate``.

        Args:
            architectures: Architectures to train.
            splits: Splits to measure the architectures on, ``val`` and ``test``. A search uses only ``val``. A table
                can use both.
        """
        calls = [(architecture, splits) for architecture in architectures]
        for i, outcome in self._engine.calls("outcome", calls):
            if isinstance(outcome, LostError):
                outcome = Outcome({}, 0.0, 0.0, str(outcome))
            yield i, outcome

    def test(self, architecture: A) -> float | None:
        """Train an architecture again from its own seed, and return its value on the test data, a fraction.

        Raises:
            UserError: The training failed.
        """
        ((_, outcome),) = self.measure([architecture], ("test",))
        if outcome.error is not None:
            raise UserError(
                f"the best architecture cannot be tested: {outcome.error}; the same command tests again"
            )
        return outcome.accuracies["test"]

    def num_parameters(self, architecture: A) -> int:
        """Return the number of trainable parameters of an architecture's network."""
        return count_parameters(self._trial.network(architecture))

    def exact_costs(self, space: SearchSpace[A]) -> ExactCosts[A]:
        """Return the exact costs of the networks that are trained: of this recipe, for these data."""
        return self._trial.costs(space)

    def _as_evaluation(self, outcome: Outcome) -> Evaluation:
        """Return the outcome of a training on the validation data as an evaluation."""
        cost = None if outcome.epochs is None else outcome.epochs / self.fidelities[-1]
        values = outcome.accuracies
        further = {metric.name: values[metric.name] for metric in self.metrics if metric.name in values}
        return Evaluation(
            values.get("val"), outcome.cost_s, outcome.error, outcome.traceback, further, cost=cost
        )

    def close(self) -> None:
        """End the worker processes. Results of running trainings are lost."""
        self._engine.close()
