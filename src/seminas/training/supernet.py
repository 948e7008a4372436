"""Training of a weight-sharing supernet in a folder, and measurement of its architectures."""

import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn

from seminas.config.recipe import Recipe
from seminas.config.trainer import TrainerSettings
from seminas.errors import UserError
from seminas.execution.processes import number_of_ranks, raising_interrupts, rank_of_all
from seminas.execution.ranks import launch
from seminas.runs.loggers import closing_loggers, log_config
from seminas.runs.metric import ACCURACY, Metric
from seminas.runs.recordings import Recording
from seminas.spaces.capabilities import HasSupernet, require
from seminas.spaces.cost import count_parameters
from seminas.storage.files import parse_json, write_json
from seminas.training.checkpoints import last_checkpoint, read_checkpoint, trained_steps
from seminas.training.data.loading import derived_seed
from seminas.training.data.make import seeded_images
from seminas.training.devices import mixed_precision, num_local_processes, uses_channels_last
from seminas.training.measuring import accuracies, calibrated
from seminas.training.paths import Paths, PathStrategy, SupernetModule
from seminas.training.trainer import make_trainer

PATHS_AT_ONCE = 4
"""Number of paths that are measured side by side on a GPU."""
WAIT_S = 3600.0
"""Seconds that the first rank waits for the other ranks, after it has measured its own share of architectures."""


@dataclass
class SupernetJob:
    """A supernet in a folder. Several calls of ``train`` can train it in parts. Each process holds a copy of the job.

    Attributes:
        space: ``SearchSpace`` with a supernet (``HasSupernet``).
        section: Section of the config with the data: ``data.images``, or ``data.speech`` in the subclass for speech.
        recipe: Settings of the optimizer, the schedule and the augmentation.
        trainer: Settings of Lightning's trainer and its devices.
        folder: Folder of checkpoints and logs.
        seed: Seed of the weights, the images and the paths.
        sandwich: Whether to use the sandwich rule, see ``Paths``.
        calibrate: Whether to estimate BatchNorm statistics for each architecture before measuring it.
        start_from: Checkpoint to start from if the folder has none. None starts from random weights.
        pool: Architectures to train. If empty, train all architectures of the space.
    """

    space: Any
    section: Mapping[str, Any]
    recipe: Recipe
    trainer: TrainerSettings
    folder: Path
    seed: int
    sandwich: bool = False
    calibrate: bool = True
    start_from: Path | None = None
    pool: list[Any] = field(default_factory=list)

    @property
    def metric(self) -> Metric:
        """Metric that ``measured`` returns."""
        return ACCURACY

    @property
    def metrics(self) -> Sequence[Metric]:
        """Further metrics that ``measured_values`` returns."""
        return ()

    def data(self) -> Any:
        """Return the data module of the training. Its order and augmentation follow from the seed."""
        return seeded_images(self.section, self.seed, self.recipe.augmentation)

    def module(self, data: Any) -> pl.LightningModule:
        """Return the module with the weights of the first existing source.

        The sources are the folder's checkpoint, ``start_from``, and random weights, in this order.

        Raises:
            UserError: The space has no supernet, or the checkpoint does not fit the supernet.
        """
        torch.manual_seed(derived_seed(self.seed, "supernet"))
        network = self.supernet(data)
        checkpoint = last_checkpoint(self.folder) or self.start_from
        if checkpoint is not None:
            load_supernet(network, checkpoint)
        paths = Paths(self.space, self.seed, self.pool, self.sandwich, self.trainer.accumulate_grad_batches)
        return self.module_of(network, paths, data)

    def supernet(self, data: Any) -> Any:
        """Return an untrained supernet for the data."""
        space: HasSupernet[Any] = require(self.space, HasSupernet, "supernet")
        return space.build_supernet(data.num_classes, data.in_channels)

    def module_of(self, network: Any, paths: Paths, data: Any) -> pl.LightningModule:
        """Return the module that trains a supernet's paths."""
        return SupernetModule(network, paths, self.recipe, self.seed)

    def num_parameters(self, architecture: Any, data: Any) -> int:
        """Return the number of trainable parameters of an architecture's standalone network."""
        return count_parameters(self.space.build_network(architecture, data.num_classes, data.in_channels))

    def step(self) -> int:
        """Return the number of steps of the folder's checkpoint, 0 if there is no checkpoint."""
        return trained_steps(self.folder)

    def train(
        self,
        steps: int,
        *,
        quiet: bool = True,
        loggers: Sequence[Any] = (),
        config: Mapping[str, Any] | None = None,
    ) -> None:
        """Continue the training from the folder's checkpoint up to a total number of steps.

        Args:
            steps: Total number of optimizer steps, including the steps of earlier calls.
            quiet: Whether to show no progress.
            loggers: Lightning's loggers. The caller closes them.
            config: Hyper-parameters for the loggers.

        Raises:
            UserError: The training ended before ``steps`` steps.
        """
        data = self.data()
        module = self.module(data)
        trainer = make_trainer(
            self.trainer,
            self.folder,
            self.recipe,
            loggers,
            strategy=PathStrategy(),
            max_steps=steps,
            quiet=quiet,
            limit_val_batches=0,
        )
        world_size = os.environ.get("WORLD_SIZE")
        if config is not None:
            log_config(loggers, config)
        with raising_interrupts():
            trainer.fit(module, datamodule=data, ckpt_path=last_checkpoint(self.folder), weights_only=True)
        if trainer.global_step < steps:
            raise UserError(
                f"{self.folder}: training ended before its {steps} steps; the same command goes on"
            )
        if world_size is not None:
            os.environ["WORLD_SIZE"] = world_size  # Lightning deletes this variable.

    def measured(self, architectures: Sequence[Any]) -> list[float]:
        """Return the values of ``metric`` of architectures, by default validation accuracies, fractions.

        ``measured_values`` explains which ranks share the work.
        """
        return [values[self.metric.name] for values in self.measured_values(architectures)]

    def measured_values(
        self, architectures: Sequence[Any], number: int | None = None
    ) -> list[dict[str, float]]:
        """Return the values of all metrics of architectures by name. A value that is not finite is NaN.

        ``number`` is the number of validation images, see ``accuracies``.

        The ranks share the work. If Slurm or torchrun started the ranks, all ranks must call this method. The first
        rank gets the values, the other ranks get an empty list.
        """
        about = [self.step()] if number is None else [self.step(), number]
        job_text = json.dumps([*about, *(self.space.to_json(a) for a in architectures)])
        answers = self.folder / "measured" / hashlib.sha256(job_text.encode()).hexdigest()[:16]
        self.on_all_processes("measure", list(architectures), answers, number)
        if rank_of_all():
            return []
        files = _answers_of_all(answers, number_of_ranks())
        values = {int(i): v for file in files for i, v in parse_json(file.read_bytes()).items()}
        for of_one in values.values():
            of_one.update({name: math.nan for name, value in of_one.items() if value is None})
        shutil.rmtree(answers)
        return [values[i] for i in range(len(architectures))]

    def measure(self, architectures: Sequence[Any], answers: Path, number: int | None = None) -> None:
        """Measure this rank's share of architectures, and write the values to ``answers/RANK.json``."""
        rank = rank_of_all()
        own_indices = list(range(len(architectures)))[rank :: number_of_ranks()]
        gpu = int(os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", 0)))
        values = [
            {name: value if math.isfinite(value) else None for name, value in of_one.items()}  # For JSON.
            for of_one in self.values([architectures[i] for i in own_indices], gpu, number)
        ]
        write_json(answers / f"{rank}.json", dict(zip(map(str, own_indices), values, strict=True)))

    def values(
        self, architectures: Sequence[Any], gpu: int = 0, number: int | None = None
    ) -> list[dict[str, float]]:
        """Return the values of all metrics of architectures with the supernet's weights by name."""
        return [{self.metric.name: accuracy} for accuracy in self.accuracies(architectures, gpu, number)]

    def recordings(self, architectures: Sequence[Any]) -> list[Recording]:
        """Return speech of architectures with the supernet's weights. Networks of images have none."""
        return []

    def device(self, gpu: int) -> torch.device:
        """Return the device that measures architectures: a GPU with this number, or the CPU."""
        on_gpu = self.trainer.accelerator != "cpu" and torch.cuda.is_available()
        return torch.device("cuda", gpu) if on_gpu else torch.device("cpu")

    def accuracies(
        self, architectures: Sequence[Any], gpu: int = 0, number: int | None = None
    ) -> list[float]:
        """Return the validation accuracies of architectures with the supernet's weights, fractions.

        The precision on a GPU is the trainer's.
        All architectures are measured on the same images. With ``calibrate``, the calibration images give the BatchNorm
        statistics of each architecture. ``number`` is the number of validation images. The same share of the
        calibration images is used. None means all images.
        """
        device = self.device(gpu)
        images = self.data()
        network: Any = self.module(images).network.to(device)
        layout = torch.channels_last if uses_channels_last(self.recipe, device) else torch.preserve_format
        network = network.to(memory_format=layout)
        to_validate = images.share("val", number=number)
        validation = [(x.to(device, memory_format=layout), y.to(device)) for x, y in to_validate]
        to_calibrate = images.share("calibration", images.batch_size, images.calibration_for(number))
        calibration = [x.to(device, memory_format=layout) for x, _ in to_calibrate]
        with mixed_precision(self.trainer, device):
            paths = (network.standalone(self.space.path(architecture)) for architecture in architectures)
            subnets = (calibrated(path, calibration) if self.calibrate else path.eval() for path in paths)
            return accuracies(subnets, validation, PATHS_AT_ONCE)

    def on_all_processes(self, method: str, *arguments: Any, **keywords: Any) -> None:
        """Call a method of this job on each process of the trainer's settings. Start the processes if necessary."""
        number = num_local_processes(self.trainer)
        if number > 1:
            launch(_call, (self, method, arguments, keywords), number, self.folder / "logs")
        else:
            getattr(self, method)(*arguments, **keywords)


def _answers_of_all(folder: Path, number: int) -> list[Path]:
    """Wait for the answers of all ranks; ranks of other machines may take longer than this one.

    Raises:
        UserError: Some ranks have not answered within ``WAIT_S``.
    """
    ends = time.monotonic() + WAIT_S
    while True:
        files = [path for rank in range(number) if (path := folder / f"{rank}.json").exists()]
        if len(files) == number:
            return sorted(folder.glob("*.json"))  # Also those of ranks that this process started.
        if time.monotonic() > ends:
            missing = sorted({*range(number)} - {int(path.stem) for path in files})
            ranks = ", ".join(map(str, missing))
            raise UserError(
                f"{folder}: ranks {ranks} have not written their answers for {WAIT_S / 60:.0f} minutes; "
                "their logs say why, and the same command goes on"
            )
        time.sleep(0.2)


def _call(job: SupernetJob, method: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    """Call a method on a rank; the rank's copies of loggers are its own."""
    with closing_loggers(keywords.get("loggers", ())):
        getattr(job, method)(*arguments, **keywords)


def load_supernet(network: nn.Module, checkpoint: Path) -> None:
    """Load a supernet's weights from a checkpoint.

    Raises:
        UserError: The file is not a checkpoint, or belongs to another supernet.
    """
    state = read_checkpoint(checkpoint)["state_dict"]
    try:
        network.load_state_dict({name.removeprefix("network."): value for name, value in state.items()})
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(":")
        raise UserError(
            f"{checkpoint}: is no checkpoint of this space's supernet ({reason}); choose one of a seminas-supernet run"
        ) from error
