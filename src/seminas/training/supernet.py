"""A weight-sharing supernet in a folder: trained in parts, and asked for the accuracies of its architectures."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from seminas.config.recipe import Recipe
from seminas.config.trainer import TrainerSettings
from seminas.errors import UserError
from seminas.execution.processes import number_of_ranks, rank_of_all
from seminas.execution.ranks import launch
from seminas.runs.loggers import closing_loggers, log_config
from seminas.spaces.capabilities import HasSupernet, require
from seminas.storage.files import parse_json, write_json
from seminas.training.checkpoints import last_checkpoint, read_checkpoint, trained_steps
from seminas.training.data.images import Images
from seminas.training.data.loading import derived_seed
from seminas.training.data.make import seeded_images
from seminas.training.devices import num_local_processes
from seminas.training.measuring import accuracy, calibrated
from seminas.training.paths import Paths, PathStrategy, SupernetModule
from seminas.training.trainer import make_trainer


@dataclass
class SupernetJob:
    """A supernet in a folder, trained in parts. Each process that works on it holds a copy.

    Attributes:
        space: A ``SearchSpace`` that ``HasSupernet``.
        images: The ``data.images`` section of the config.
        recipe: How it is trained.
        trainer: Where.
        folder: Its checkpoints, and the accuracies that it measured.
        seed: Of everything.
        sandwich: See ``Paths``.
        calibrate: Whether BatchNorm statistics are estimated for each architecture.
        start_from: A checkpoint to begin with.
        pool: Architectures to train; all of the space where there are none.
    """

    space: Any
    images: Mapping[str, Any]
    recipe: Recipe
    trainer: TrainerSettings
    folder: Path
    seed: int
    sandwich: bool = False
    calibrate: bool = True
    start_from: Path | None = None
    pool: list[Any] = field(default_factory=list)

    def make_images(self) -> Images:
        """Return the images in an order that follows from the seed."""
        return seeded_images(self.images, self.seed, self.recipe.augmentation)

    def module(self, images: Images) -> SupernetModule:
        """Return the module with the weights of the folder's checkpoint, of ``start_from``, or untrained.

        Raises:
            UserError: The space has no supernet, or a checkpoint is of another one.
        """
        space: HasSupernet[Any] = require(self.space, HasSupernet, "supernet")
        torch.manual_seed(derived_seed(self.seed, "supernet"))
        network: Any = space.build_supernet(images.num_classes, images.in_channels)
        checkpoint = last_checkpoint(self.folder) or self.start_from
        if checkpoint is not None:
            load_supernet(network, checkpoint)
        paths = Paths(self.space, self.seed, self.pool, self.sandwich, self.trainer.accumulate_grad_batches)
        return SupernetModule(network, paths, self.recipe, self.seed)

    def step(self) -> int:
        """Return the steps that the folder's supernet has been trained for."""
        return trained_steps(self.folder)

    def train(
        self,
        steps: int,
        *,
        quiet: bool = True,
        loggers: Sequence[Any] = (),
        config: Mapping[str, Any] | None = None,
    ) -> None:
        """Train until so many steps have been made in all, on from the folder's checkpoint.

        Args:
            steps: In all.
            quiet: Whether to show nothing.
            loggers: Take the metrics; the caller closes them.
            config: What the loggers get as hyper-parameters.

        Raises:
            UserError: It ended before.
        """
        images = self.make_images()
        module = self.module(images)
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
        number = os.environ.get("WORLD_SIZE")
        if config is not None:
            log_config(loggers, config)
        trainer.fit(module, datamodule=images, ckpt_path=last_checkpoint(self.folder), weights_only=True)
        if trainer.global_step < steps:
            raise UserError(f"{self.folder}: training ended before its {steps} steps")
        if number is not None:
            os.environ["WORLD_SIZE"] = number  # Lightning takes it away.

    def measured(self, architectures: Sequence[Any]) -> list[float]:
        """Return the validation accuracies of architectures, which the ranks share; fractions.

        Of ranks on several machines, each calls this, and only the first gets an answer.
        """
        question = json.dumps([self.step(), *(self.space.to_json(a) for a in architectures)])
        answers = self.folder / "measured" / hashlib.sha256(question.encode()).hexdigest()[:16]
        self.on_all_processes("measure", list(architectures), answers)
        if rank_of_all():
            return []
        # Ranks of other machines may take longer.
        while len(files := list(answers.glob("*.json"))) < number_of_ranks():
            time.sleep(0.2)
        values = {int(i): v for file in files for i, v in parse_json(file.read_bytes()).items()}
        shutil.rmtree(answers)
        return [values[i] for i in range(len(architectures))]

    def measure(self, architectures: Sequence[Any], answers: Path) -> None:
        """Write the validation accuracies of this rank's share of architectures into ``RANK.json`` in a folder."""
        rank = rank_of_all()
        mine = list(range(len(architectures)))[rank :: number_of_ranks()]
        gpu = int(os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", 0)))
        values = self.accuracies([architectures[i] for i in mine], gpu)
        write_json(answers / f"{rank}.json", dict(zip(map(str, mine), values, strict=True)))

    def accuracies(self, architectures: Sequence[Any], gpu: int = 0) -> list[float]:
        """Return the validation accuracies of architectures by the supernet's weights, fractions.

        All are measured on the same images; BatchNorm statistics are estimated for each, on images held out for that.
        """
        on_gpu = self.trainer.accelerator != "cpu" and torch.cuda.is_available()
        device = torch.device("cuda", gpu) if on_gpu else torch.device("cpu")
        images = self.make_images()
        network: Any = self.module(images).network.to(device)
        validation = [(x.to(device), y.to(device)) for x, y in images.share("val")]
        calibration = [x.to(device) for x, _ in images.share("calibration", images.batch_size)]
        values = []
        for architecture in architectures:
            alone = network.standalone(self.space.path(architecture))
            alone = calibrated(alone, calibration) if self.calibrate else alone.eval()
            values.append(accuracy(alone, validation))
        return values

    def on_all_processes(self, method: str, *arguments: Any, **keywords: Any) -> None:
        """Call a method on each process that the trainer's settings ask for."""
        number = num_local_processes(self.trainer)
        if number > 1:
            launch(_call, (self, method, arguments, keywords), number, self.folder / "logs")
        else:
            getattr(self, method)(*arguments, **keywords)


def _call(job: SupernetJob, method: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    """Call a method on a rank; the rank's copies of loggers are its own."""
    with closing_loggers(keywords.get("loggers", ())):
        getattr(job, method)(*arguments, **keywords)


def load_supernet(network: nn.Module, checkpoint: Path) -> None:
    """Load a supernet's weights from a checkpoint.

    Raises:
        UserError: It is no checkpoint, or one of another space.
    """
    state = read_checkpoint(checkpoint)["state_dict"]
    try:
        network.load_state_dict({name.removeprefix("network."): value for name, value in state.items()})
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(":")
        raise UserError(f"{checkpoint}: is no checkpoint of this space's supernet ({reason})") from error
