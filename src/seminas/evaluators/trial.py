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
from seminas.evaluators.on_ranks import Trained, run_on_ranks
from seminas.execution.processes import is_first_rank, number_of_ranks, raising_interrupts, ranks_are_started
from seminas.runs.metric import ACCURACY, Metric
from seminas.spaces.base import SearchSpace
from seminas.spaces.capabilities import BuildsNetworks
from seminas.spaces.exact import ExactCosts, NetworkShape, exact_costs
from seminas.spaces.retraining import Retraining
from seminas.spaces.rungs import Rung, plain
from seminas.training.data.make import make_images, seeded_images
from seminas.training.kept_checkpoints import KeptCheckpoints

if TYPE_CHECKING:
    import pytorch_lightning as pl
    from torch import nn

    from seminas.training.epoch_checkpoints import EpochCheckpoints
    from seminas.training.rung_checkpoints import RungPlan


@dataclass(frozen=True)
class Outcome:
    """Outcome of one training.

    Attributes:
        accuracies: Value of the metric on each requested split, by default an accuracy, a fraction, and the values of
            further metrics by name. Empty if the training failed.
        cost_s: Duration of the training and the measurements, in seconds.
        cpu_s: Processor time of the training process, in seconds. Other programs on the machine hardly affect it.
        error: Reason of a failure, in one line. None without a failure.
        traceback: Whole traceback of a failure. None if no exception caused a failure.
        epochs: Number of epochs that an evaluation at a fidelity has trained. None for a failure, and without
            fidelities.
    """

    accuracies: dict[str, float]
    cost_s: float
    cpu_s: float
    error: str | None = None
    traceback: str | None = None
    epochs: int | None = None


class Trial:
    """Object that trains single architectures. Each worker process holds a copy.

    This class trains image classifiers. A subclass for other data overrides the methods from ``data`` to ``costs``.

    Attributes:
        capability: Protocol that the space must have.
        metric: Metric of the trainings.
        metrics: Further metrics.
    """

    capability: type[Any] = BuildsNetworks
    metric: Metric = ACCURACY
    metrics: Sequence[Metric] = ()

    def __init__(
        self,
        space: Any,
        section: Mapping[str, Any],
        recipe: Recipe,
        seed: int,
        accelerator: str,
        folder: Path | None = None,
        checkpoint_every_s: float = math.inf,
        num_devices: int = 1,
        cooldown: bool = True,
    ) -> None:
        """Initialize the object.

        Args:
            space: Search space that builds networks.
            section: Section ``data.images`` of the config, or of other data in a subclass.
            recipe: Settings of the training.
            seed: Seed of the trainings. An architecture's own seed follows from this seed and its key.
            accelerator: Lightning's accelerator.
            folder: Folder for the checkpoints of unfinished trainings. None means no checkpoints.
            checkpoint_every_s: Smallest time between two checkpoints of a training, in seconds.
            num_devices: Number of devices of one training. With several, each has a process of its own.
            cooldown: Whether shorter trainings have a cooldown, see ``RungPlan``.
        """
        self._space, self._section, self._recipe = space, section, recipe
        self._seed, self._accelerator = seed, accelerator
        self._folder, self._checkpoint_every_s = folder, checkpoint_every_s
        self._num_devices, self._cooldown = num_devices, cooldown

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the data. Another process loads its own data."""
        return {name: value for name, value in vars(self).items() if name != "data"}

    def call_name(self, method: str, architecture: Any, splits: Sequence[str]) -> str:
        """Return the name of a call. Within one run, calls of the same name have the same result."""
        name = f"{method} {','.join(splits)} {self._space.key(plain(architecture))}"
        if isinstance(architecture, Retraining):
            return f"{name} training {architecture.number + 1}"
        return f"{name} {architecture.epochs} epochs" if isinstance(architecture, Rung) else name

    @property
    def skeleton(self) -> dict[str, Any]:
        """Further arguments of the space's networks, from the recipe."""
        return dict(self._recipe.networks.get(self._space.name, {}))

    @cached_property
    def data(self) -> Any:
        """The data. Each process loads them once."""
        return make_images(self._section, seed=self._seed, augmentation=self._recipe.augmentation)

    def data_for(self, seed: int) -> Any:
        """Return the data of a training with this seed.

        With several devices, their order does not depend on the number of ranks, and no image counts twice.
        """
        if self._num_devices > 1:
            return seeded_images(self._section, seed, self._recipe.augmentation)
        return self.data

    def batches(self, data: Any, split: str) -> Any:
        """Return the batches of a split for Lightning's trainer."""
        return getattr(data, f"{split}_dataloader")()

    def network(self, architecture: Any) -> "nn.Module":
        """Return the untrained network of an architecture."""
        network: nn.Module = self._space.build_network(
            architecture, self.data.num_classes, self.data.in_channels, **self.skeleton
        )
        return network

    def plan(self, epochs: int) -> "RungPlan":
        """Return how an architecture is measured after a number of epochs."""
        from seminas.training.rung_checkpoints import RungPlan

        return RungPlan.of(epochs, self._recipe, self._cooldown)

    def _checkpoints(self, element: Any, splits: Sequence[str]) -> "EpochCheckpoints | None":
        """Return the callback that writes the checkpoints of a training, or None if it writes none."""
        from seminas.training.epoch_checkpoints import EpochCheckpoints
        from seminas.training.rung_checkpoints import RungCheckpoints

        name = hashlib.sha256(self.call_name("run", element, splits).encode()).hexdigest()[:32]
        folder = None if self._folder is None else self._folder / name
        if isinstance(element, Rung):
            kept = None if self._folder is None else KeptCheckpoints(self._folder)
            paid = self.plan(element.trained).kept if element.trained else 0
            key, plan = self._space.key(element.architecture), self.plan(element.epochs)
            return RungCheckpoints(folder, self._checkpoint_every_s, key, plan, kept, paid)
        return None if folder is None else EpochCheckpoints(folder, self._checkpoint_every_s)

    def module(self, architecture: Any, seed: int) -> "pl.LightningModule":
        """Return the module that trains a new network of an architecture."""
        from seminas.training.classifier import Classifier

        return Classifier(self.network(architecture), self.data.num_classes, self._recipe)

    @property
    def gradient_clip(self) -> float | None:
        """Largest norm of the gradient. Trainings of images in a search have no limit."""
        return None

    def values(self, measured: Mapping[str, float], splits: Sequence[str]) -> dict[str, float]:
        """Return the value of the metric on each split by the name of the split, and further metrics by name."""
        return {split: measured[f"{split}_accuracy"] for split in ("val", "test") if split in splits}

    def record(self, architecture: Any, module: Any, data: Any) -> None:
        """Write what people see or hear of a network that was trained for a test. The default writes nothing."""

    def costs(self, space: SearchSpace[Any]) -> ExactCosts[Any]:
        """Return the exact costs of the networks that are trained."""
        shape = NetworkShape(self.data.image_shape, self.data.num_classes, self.skeleton)
        return exact_costs(space, shape)

    def check(self, architecture: Any) -> None:
        """Build a network, to find errors of the networks and of the data before the trainings."""
        self.network(architecture)

    def run(self, element: Any, splits: Sequence[str]) -> Trained:
        """Train an architecture from its own seed, or continue its unfinished training.

        Args:
            element: The architecture, or a rung with the number of epochs to train. A rung goes on from the checkpoint
                of a shorter training, if there is one. Or a further training, which has a seed of its own.
            splits: Splits to measure.

        Returns:
            Its ``values``, the duration of the training in earlier processes, in seconds, and the number of epochs that
            this evaluation has trained.

        Raises:
            UserError: One of several ranks failed.
        """
        if self._num_devices > 1 and not ranks_are_started():
            return run_on_ranks(self.run, (element, splits), self._num_devices)
        import pytorch_lightning as pl
        import torch

        from seminas.training.averaging import MeanWeights
        from seminas.training.checkpoints import SafeCheckpoints, read_checkpoint
        from seminas.training.data.loading import TrainLoader, derived_seed
        from seminas.training.devices import leave_group_at_exit, share_cores
        from seminas.training.rung_checkpoints import RungCheckpoints

        recipe, architecture = self._recipe, plain(element)
        checkpoints = self._checkpoints(element, splits)
        of_rung = checkpoints if isinstance(checkpoints, RungCheckpoints) else None
        further = [f"training {element.number + 1}"] if isinstance(element, Retraining) else []
        seed = derived_seed(self._seed, self._space.key(architecture), *further)
        torch.manual_seed(seed)
        module = self.module(architecture, seed)
        if self._num_devices > 1:
            leave_group_at_exit()
            share_cores()
        data = self.data_for(seed)
        callbacks: list[pl.Callback] = [MeanWeights(decay=recipe.ema)] if recipe.ema else []
        with warnings.catch_warnings(), raising_interrupts():
            warnings.simplefilter("ignore")
            trainer = pl.Trainer(
                max_epochs=self.plan(element.epochs).schedule if of_rung else recipe.epochs,
                accelerator=self._accelerator,
                devices=number_of_ranks() if self._num_devices > 1 else 1,
                strategy="ddp" if self._num_devices > 1 else "auto",
                use_distributed_sampler=False,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                limit_val_batches=0.0,
                gradient_clip_val=self.gradient_clip,
                callbacks=callbacks if checkpoints is None else [*callbacks, checkpoints],
                plugins=[SafeCheckpoints()],
            )
            if self._num_devices > 1:
                data.trainer = trainer  # It says which part of the data belongs to this rank.
            start = None if checkpoints is None else checkpoints.start_from()
            if of_rung is not None and of_rung.finished and start is not None:
                module.load_state_dict(read_checkpoint(start)["state_dict"])
            else:
                batches = self.batches(data, "train")
                # Lightning restores the state of a loader only in the middle of an epoch.
                if start is not None and isinstance(batches, TrainLoader):
                    batches.load_state_dict({"epoch": int(read_checkpoint(start)["epoch"]) + 1, "done": 0})
                trainer.fit(module, batches, ckpt_path=start, weights_only=True)
            trainer.limit_val_batches = 1.0
            measured: dict[str, float] = {}
            if "val" in splits:
                measured |= trainer.validate(module, self.batches(data, "val"), verbose=False)[0]
            if "test" in splits:
                measured |= trainer.test(module, self.batches(data, "test"), verbose=False)[0]
        if is_first_rank() and "test" in splits:
            self.record(architecture, module, data)
        if checkpoints is not None and is_first_rank():
            checkpoints.remove()
        return Trained(
            self.values(measured, splits),
            0.0 if checkpoints is None else checkpoints.earlier_s,
            None if of_rung is None else element.epochs - of_rung.began,
        )

    def outcome(self, element: Any, splits: Sequence[str]) -> Outcome:
        """Train an architecture with ``run``, and return the outcome. An exception becomes a failed outcome."""
        start, cpu_start = time.perf_counter(), time.process_time()
        done, error, trace = Trained({}, 0.0), None, None
        try:
            done = self.run(element, splits)
        except Exception as raised:
            error, trace = one_line(raised), whole_traceback(raised)
        cost_s = done.earlier_s + time.perf_counter() - start
        cpu_s = time.process_time() - cpu_start
        return Outcome(done.metrics, cost_s, cpu_s, error, trace, done.epochs)
