"""Evaluator that trains each architecture for real, several at once."""

import hashlib
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from seminas.config.evaluators import TrainingEvaluatorSettings
from seminas.config.recipe import Recipe
from seminas.errors import UserError
from seminas.evaluators.base import Evaluator
from seminas.evaluators.evaluation import Evaluation, one_line, whole_traceback
from seminas.execution.base import LostError
from seminas.execution.engines import make_engine
from seminas.spaces.base import A, SearchSpace
from seminas.spaces.capabilities import BuildsNetworks, require
from seminas.spaces.cost import count_parameters
from seminas.storage.values import Config, Section
from seminas.training.data.make import make_images

if TYPE_CHECKING:
    from torch import nn


class TrainingEvaluator(Evaluator[A]):
    """Trains architectures from scratch and measures them on the validation images.

    Each architecture has a seed of its own, from its key and ``seed``, so that its accuracy does not
    depend on when or in which process it is trained.
    """

    def __init__(
        self,
        space: SearchSpace[A],
        seed: int,
        settings: TrainingEvaluatorSettings,
        images: Section,
        recipe: Recipe,
    ) -> None:
        """Set up the evaluator; its processes start with the first evaluation.

        Args:
            space: Builds the networks.
            seed: Together with an architecture's key, the seed of its training.
            settings: Where trainings run.
            images: The ``data.images`` section of the config. Each process loads the images once.
            recipe: How each architecture is trained.

        Raises:
            UserError: The space builds no networks, or not with these images and this recipe.
        """
        require(space, BuildsNetworks, "evaluator=training")
        self._trial = Trial(space, images, recipe, seed, settings.accelerator)
        # A space that cannot be trained ends the run here, before anything is paid for.
        try:
            self._trial.network(space.sample(1, np.random.default_rng(0))[0])
        except UserError:
            raise
        except Exception as error:  # Whatever a network raises for arguments that make no sense.
            raise UserError(f"data.recipe.networks.{space.name}: {one_line(error)}") from error
        self._engine = make_engine(
            settings.engine,
            self._trial,
            settings.num_workers,
            settings.ray,
            settings.accelerator,
            settings.timeout_s,
        )

    def evaluate(self, architectures: Sequence[A]) -> Iterator[tuple[int, Evaluation]]:
        """Train architectures; yields the position and evaluation of each as its training ends.

        An architecture whose worker dies is tried once more and then counts as failed.
        """
        for i, outcome in self.measure(architectures, ("val",)):
            accuracy = outcome.accuracies.get("val")
            yield i, Evaluation(accuracy, outcome.cost_s, outcome.error, outcome.traceback)

    def measure(self, architectures: Sequence[A], splits: Sequence[str]) -> "Iterator[tuple[int, Outcome]]":
        """Train architectures and measure each on ``splits``, of ``val`` and ``test``; otherwise as ``evaluate``.

        For tables; a search asks for ``val`` alone.
        """
        calls = [(architecture, splits) for architecture in architectures]
        for i, outcome in self._engine.calls("outcome", calls):
            if isinstance(outcome, LostError):
                outcome = Outcome({}, 0.0, 0.0, str(outcome))
            yield i, outcome

    def test(self, architecture: A) -> float | None:
        """Train the architecture once more, from its own seed, and measure it on the test images."""
        ((_, outcome),) = self.measure([architecture], ("test",))
        if outcome.error is not None:
            raise UserError(f"the best architecture cannot be tested: {outcome.error}")
        return outcome.accuracies["test"]

    def num_parameters(self, architecture: A) -> int:
        """Return the trainable parameters of the network that is trained."""
        return count_parameters(self._trial.network(architecture))

    def close(self) -> None:
        """End the worker processes; what they were training is lost."""
        self._engine.close()


@dataclass(frozen=True)
class Outcome:
    """The outcome of one training.

    Attributes:
        accuracies: On each split asked for, fractions; empty where it failed.
        cost_s: Seconds.
        cpu_s: Of these, seconds of processor time, which other load on the machine does not lengthen.
        error: Why it failed, in one line.
        traceback: The whole traceback of the failure.
    """

    accuracies: dict[str, float]
    cost_s: float
    cpu_s: float
    error: str | None = None
    traceback: str | None = None


class Trial:
    """One training. A worker process holds a copy."""

    def __init__(
        self,
        space: Any,
        images: Section,
        recipe: Recipe,
        seed: int,
        accelerator: str,
    ) -> None:
        self._space, self._images_section, self._recipe = space, images, recipe
        self._seed, self._accelerator = seed, accelerator

    def __getstate__(self) -> Config:
        """Leave the images behind: another process loads its own."""
        return {name: value for name, value in vars(self).items() if name != "images"}

    @cached_property
    def images(self) -> Any:
        """The images, loaded once in each process."""
        return make_images(self._images_section)

    def network(self, architecture: Any) -> "nn.Module":
        """Return the untrained network of an architecture."""
        skeleton = self._recipe.networks.get(self._space.name, {})
        network: nn.Module = self._space.build_network(
            architecture, self.images.num_classes, self.images.in_channels, **skeleton
        )
        return network

    def run(self, architecture: Any, splits: Sequence[str]) -> dict[str, float]:
        """Train an architecture from its own seed; returns its accuracy on each split, a fraction."""
        import pytorch_lightning as pl
        import torch

        from seminas.training.classifier import Classifier

        digest = hashlib.sha256(f"{self._seed}/{self._space.key(architecture)}".encode()).digest()
        torch.manual_seed(int.from_bytes(digest[:7], "big"))
        module = Classifier(self.network(architecture), self.images.num_classes, self._recipe)
        with warnings.catch_warnings():
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
            )
            trainer.fit(module, self.images.train_dataloader())
            trainer.limit_val_batches = 1.0
            accuracies = {}
            if "val" in splits:
                measured = trainer.validate(module, self.images.val_dataloader(), verbose=False)
                accuracies["val"] = measured[0]["val_accuracy"]
            if "test" in splits:
                measured = trainer.test(module, self.images.test_dataloader(), verbose=False)
                accuracies["test"] = measured[0]["test_accuracy"]
            return accuracies

    def outcome(self, architecture: Any, splits: Sequence[str]) -> Outcome:
        """Train an architecture as ``run``; an exception is part of the outcome."""
        start, cpu_start = time.perf_counter(), time.process_time()
        accuracies, error, trace = {}, None, None
        try:
            accuracies = self.run(architecture, splits)
        except Exception as raised:
            error, trace = one_line(raised), whole_traceback(raised)
        return Outcome(accuracies, time.perf_counter() - start, time.process_time() - cpu_start, error, trace)
