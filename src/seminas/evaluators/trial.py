"""One training of an architecture, as the training evaluator makes it in a worker process."""

import hashlib
import math
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seminas.config.recipe import Recipe
from seminas.evaluators.evaluation import one_line, whole_traceback
from seminas.evaluators.on_ranks import run_on_ranks
from seminas.execution.processes import is_first_rank, number_of_ranks, raising_interrupts, ranks_are_started
from seminas.spaces.exact import NetworkShape
from seminas.training.data.make import make_images, seeded_images

if TYPE_CHECKING:
    from torch import nn


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
        num_devices: int = 1,
    ) -> None:
        """Initialize the object.

        Args:
            space: Search space that builds networks.
            images: Section ``data.images`` of the config.
            recipe: Settings of the training.
            seed: Seed of the trainings. An architecture's own seed follows from this seed and its key.
            accelerator: Lightning's accelerator.
            folder: Folder for the checkpoints of unfinished trainings. None means no checkpoints.
            checkpoint_every_s: Smallest time between two checkpoints of a training, in seconds.
            num_devices: Number of devices of one training. With several, each has a process of its own.
        """
        self._space, self._images_section, self._recipe = space, images, recipe
        self._seed, self._accelerator = seed, accelerator
        self._folder, self._checkpoint_every_s = folder, checkpoint_every_s
        self._num_devices = num_devices

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

    @property
    def shape(self) -> NetworkShape:
        """The parts of a network that do not depend on the architecture."""
        skeleton = self._recipe.networks.get(self._space.name, {})
        return NetworkShape(self.images.image_shape, self.images.num_classes, skeleton)

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

        Raises:
            UserError: One of several ranks failed.
        """
        if self._num_devices > 1 and not ranks_are_started():
            return run_on_ranks(self.run, (architecture, splits), self._num_devices)
        import pytorch_lightning as pl
        import torch

        from seminas.training.checkpoints import SafeCheckpoints
        from seminas.training.classifier import Classifier
        from seminas.training.data.loading import derived_seed
        from seminas.training.devices import leave_group_at_exit, share_cores
        from seminas.training.epoch_checkpoints import EpochCheckpoints

        name = hashlib.sha256(self.call_name("run", architecture, splits).encode()).hexdigest()[:32]
        checkpoints = None
        if self._folder is not None:
            checkpoints = EpochCheckpoints(self._folder / name, self._checkpoint_every_s)
        seed = derived_seed(self._seed, self._space.key(architecture))
        torch.manual_seed(seed)
        module = Classifier(self.network(architecture), self.images.num_classes, self._recipe)
        images = self.images
        if self._num_devices > 1:
            leave_group_at_exit()
            share_cores()
            # Their order does not depend on the number of ranks, and no image counts twice.
            images = seeded_images(self._images_section, seed, self._recipe.augmentation)
        with warnings.catch_warnings(), raising_interrupts():
            warnings.simplefilter("ignore")
            trainer = pl.Trainer(
                max_epochs=self._recipe.epochs,
                accelerator=self._accelerator,
                devices=number_of_ranks() if self._num_devices > 1 else 1,
                strategy="ddp" if self._num_devices > 1 else "auto",
                use_distributed_sampler=False,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                limit_val_batches=0.0,
                callbacks=[] if checkpoints is None else [checkpoints],
                plugins=[SafeCheckpoints()],
            )
            start = None if checkpoints is None else checkpoints.start_from()
            trainer.fit(module, images.train_dataloader(), ckpt_path=start, weights_only=True)
            trainer.limit_val_batches = 1.0
            accuracies = {}
            if "val" in splits:
                measured = trainer.validate(module, images.val_dataloader(), verbose=False)
                accuracies["val"] = measured[0]["val_accuracy"]
            if "test" in splits:
                measured = trainer.test(module, images.test_dataloader(), verbose=False)
                accuracies["test"] = measured[0]["test_accuracy"]
        if checkpoints is None:
            return accuracies, 0.0
        if is_first_rank():
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
