"""Evaluator that trains each architecture from scratch. Several trainings can run in parallel."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seminas.config.evaluators import TrainingEvaluatorSettings
from seminas.config.recipe import Recipe
from seminas.errors import UserError
from seminas.evaluators.base import Evaluator
from seminas.evaluators.evaluation import Evaluation, one_line
from seminas.evaluators.speech_trial import SpeechTrial
from seminas.evaluators.trial import Outcome, Trial
from seminas.evaluators.workers import OnEngine, Workers
from seminas.execution.base import LostError
from seminas.execution.engines import make_engine
from seminas.spaces.base import A, SearchSpace
from seminas.spaces.capabilities import require
from seminas.spaces.cost import count_parameters
from seminas.spaces.exact import ExactCosts

TRAININGS = "trainings"
"""Folder in the run folder with the checkpoints of unfinished trainings."""


class TrainingEvaluator(Evaluator[A]):
    """Evaluator that trains architectures from scratch and measures them on the validation data.

    The data decides the metric: the validation accuracy of images, or a measure of attention of speech.

    Each architecture has its own seed, which follows from its key and ``seed``. So its value does not depend on the
    order of the trainings or on the process.
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
        self._trial = kind(
            space,
            section,
            recipe,
            seed,
            settings.accelerator,
            None if folder is None else folder.absolute() / TRAININGS,
            settings.checkpoint_every_s,
            settings.num_devices,
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

    def workers(self) -> Workers[A]:
        """Return the workers of the engine."""
        return OnEngine(
            self._engine, "outcome", lambda architecture: (architecture, ("val",)), self._as_evaluation
        )

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

    def close(self) -> None:
        """End the worker processes. Results of running trainings are lost."""
        self._engine.close()

    def _as_evaluation(self, outcome: Outcome) -> Evaluation:
        """Return the outcome of a training on the validation data as an evaluation."""
        values = outcome.accuracies
        further = {metric.name: values[metric.name] for metric in self.metrics if metric.name in values}
        return Evaluation(values.get("val"), outcome.cost_s, outcome.error, outcome.traceback, further)
