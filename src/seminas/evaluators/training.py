"""Evaluator that trains each architecture from scratch. Several trainings can run in parallel."""

import hashlib
import math
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seminas.config.evaluators import TrainingEvaluatorSettings
from seminas.config.recipe import Recipe
from seminas.errors import UserError
from seminas.evaluators.base import Evaluator
from seminas.evaluators.evaluation import Evaluation, one_line, whole_traceback
from seminas.evaluators.workers import OnEngine, Workers
from seminas.execution.base import LostError
from seminas.execution.engines import make_engine
from seminas.execution.processes import raising_interrupts
from seminas.spaces.base import A, SearchSpace
from seminas.spaces.capabilities import BuildsNetworks, require
from seminas.spaces.cost import count_parameters
from seminas.training.data.make import make_images

if TYPE_CHECKING:
    from torch import nn

TRAININGS = "trainings"
"""Folder in the run folder with the checkpoints of unfinished trainings."""


class TrainingEvaluator(Evaluator[A]):
    """Evaluator that trains architectures from scratch and measures them on the validation images.

    Each architecture has its own seed, which follows from its key and ``seed``. So its accuracy does not depend on the
    order of the trainings or on the process.
    """

    def __init__(
        self,
        space: SearchSpace[A],
        seed: int,
        settings: TrainingEvaluatorSettings,
        images: Mapping[str, Any],
        recipe: Recipe,
        folder: Path | None = None,
    ) -> None:
        """Initialize the evaluator. The worker processes start with the first evaluations.

        Args:
            space: Search space that builds networks.
            seed: Seed of the trainings. An architecture's own seed follows from this seed and its key.
            settings: Settings of the engine and its workers.
            images: Section ``data.images`` of the config. Each process loads the images once.
            recipe: Settings of the training of each architecture.
            folder: Run folder, for the files of Slurm jobs and for the checkpoints of unfinished trainings. None means
                no checkpoints. ``engine=slurm`` needs it.

        Raises:
            UserError: The space builds no networks, or cannot build them for these images and this recipe. Or the
                engine cannot start.
        """
        require(space, BuildsNetworks, "evaluator=training")
        self._trial = Trial(
            space,
            images,
            recipe,
            seed,
            settings.accelerator,
            None if folder is None else folder.absolute() / TRAININGS,
            settings.checkpoint_every_s,
        )
        # Find errors of the networks and of the images now, before the trainings.
        try:
            self._trial.network(space.sample(1, np.random.default_rng(0))[0])
        except UserError:
            raise
        except Exception as error:  # For wrong arguments, networks raise exceptions of many types.
            raise UserError(f"data.recipe.networks.{space.name}: {one_line(error)}") from error
        self._engine = make_engine(
            settings.engine,
            self._trial,
            settings.num_workers,
            settings.ray,
            settings.accelerator,
            settings.timeout_s,
            settings.slurm,
            folder,
        )

    def evaluate(self, architectures: Sequence[A]) -> Iterator[tuple[int, Evaluation]]:
        """Train architectures. Yield the position and the evaluation of each when its training ends.

        If the worker of a training dies, the training is repeated once. If the second worker also dies, the evaluation
        fails.
        """
        for i, outcome in self.measure(architectures, ("val",)):
            yield i, _as_evaluation(outcome)

    def workers(self) -> Workers[A]:
        """Return the workers of the engine."""
        return OnEngine(
            self._engine, "outcome", lambda architecture: (architecture, ("val",)), _as_evaluation
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
        """Train an architecture again from its own seed, and return its accuracy on the test images, a fraction.

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

    def close(self) -> None:
        """End the worker processes. Results of running trainings are lost."""
        self._engine.close()


@dataclass(frozen=True)
class Outcome:
    """Outcome of one training.

    Attributes:
        accuracies: Accuracy on each requested split, a fraction. Empty if the training failed.
        cost_s: Duration of the training and the measurements, in seconds.
        cpu_s: Processor time of the training process, in seconds. Other programs on the machine hardly affect it.
        error: Reason of a failure, in one line. None without a failure.
        traceback: Whole traceback of a failure. None if no exception caused a failure.
    """

    accuracies: dict[str, float]
    cost_s: float
    cpu_s: float
    error: str | None = None
    traceback: str | None = None


def _as_evaluation(outcome: Outcome) -> Evaluation:
    """Return the outcome of a training on the validation images as an evaluation."""
    return Evaluation(outcome.accuracies.get("val"), outcome.cost_s, outcome.error, outcome.traceback)


class Trial:
    """Object that trains single architectures. Each worker process holds a copy."""

    def __init__(
        self,
        space: Any,
        images: Mapping[str, Any],
        recipe: Recipe,
        seed: int,
        accelerator: str,
        folder: Path | None = None,
        checkpoint_every_s: float = math.inf,
    ) -> None:
        self._space, self._images_section, self._recipe = space, images, recipe
        self._seed, self._accelerator = seed, accelerator
        self._folder, self._checkpoint_every_s = folder, checkpoint_every_s

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the images. Another process loads its own images."""
        return {name: value for name, value in vars(self).items() if name != "images"}

    def call_name(self, method: str, architecture: Any, splits: Sequence[str]) -> str:
        """Return the name of a call. Within one run, calls of the same name have the same result."""
        return f"{method} {','.join(splits)} {self._space.key(architecture)}"

    @cached_property
    def images(self) -> Any:
        """Images. Each process loads them once."""
        return make_images(self._images_section)

    def network(self, architecture: Any) -> "nn.Module":
        """Return the untrained network of an architecture."""
        skeleton = self._recipe.networks.get(self._space.name, {})
        network: nn.Module = self._space.build_network(
            architecture, self.images.num_classes, self.images.in_channels, **skeleton
        )
        return network

    def run(self, architecture: Any, splits: Sequence[str]) -> tuple[dict[str, float], float]:
        """Train an architecture from its own seed, or continue its unfinished training.

        Returns:
            Its accuracy on each split, a fraction, and the duration of the training in earlier processes, in seconds.
        """
        import pytorch_lightning as pl
        import torch

        from seminas.training.checkpoints import SafeCheckpoints
        from seminas.training.classifier import Classifier
        from seminas.training.epoch_checkpoints import EpochCheckpoints

        name = hashlib.sha256(self.call_name("run", architecture, splits).encode()).hexdigest()[:32]
        checkpoints = None
        if self._folder is not None:
            checkpoints = EpochCheckpoints(self._folder / name, self._checkpoint_every_s)
        digest = hashlib.sha256(f"{self._seed}/{self._space.key(architecture)}".encode()).digest()
        torch.manual_seed(int.from_bytes(digest[:7], "big"))
        module = Classifier(self.network(architecture), self.images.num_classes, self._recipe)
        with warnings.catch_warnings(), raising_interrupts():
            warnings.simplefilter("ignore")
            trainer = pl.Trainer(
                max_epochs=self._recipe.epochs,
                accelerator=self._accelerator,
                devices=1,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                limit_val_batches=0.0,
                callbacks=[] if checkpoints is None else [checkpoints],
                plugins=[SafeCheckpoints()],
            )
            start = None if checkpoints is None else checkpoints.start_from()
            trainer.fit(module, self.images.train_dataloader(), ckpt_path=start, weights_only=True)
            trainer.limit_val_batches = 1.0
            accuracies = {}
            if "val" in splits:
                measured = trainer.validate(module, self.images.val_dataloader(), verbose=False)
                accuracies["val"] = measured[0]["val_accuracy"]
            if "test" in splits:
                measured = trainer.test(module, self.images.test_dataloader(), verbose=False)
                accuracies["test"] = measured[0]["test_accuracy"]
        if checkpoints is None:
            return accuracies, 0.0
        checkpoints.remove()
        return accuracies, checkpoints.earlier_s

    def outcome(self, architecture: Any, splits: Sequence[str]) -> Outcome:
        """Train an architecture with ``run``, and return the outcome. An exception becomes a failed outcome."""
        start, cpu_start = time.perf_counter(), time.process_time()
        accuracies: dict[str, float] = {}
        earlier_s, error, trace = 0.0, None, None
        try:
            accuracies, earlier_s = self.run(architecture, splits)
        except Exception as raised:
            error, trace = one_line(raised), whole_traceback(raised)
        cost_s = earlier_s + time.perf_counter() - start
        return Outcome(accuracies, cost_s, time.process_time() - cpu_start, error, trace)
