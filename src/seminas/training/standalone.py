"""Training, evaluation and export of one network on each rank of ``seminas-train``."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn

from seminas.config.recipe import Recipe
from seminas.config.trainer import TrainerSettings
from seminas.execution.processes import raising_interrupts
from seminas.runs.folder import RunFolder
from seminas.runs.loggers import build_loggers, closing_loggers, log_config, log_numbers
from seminas.runs.recordings import log_recordings
from seminas.runs.results import Result, TrainingResult
from seminas.spaces.base import SearchSpace
from seminas.spaces.cost import count_macs, count_parameters
from seminas.storage.values import Config
from seminas.training.checkpoints import (
    BEST,
    LAST,
    checkpoint_folder,
    last_checkpoint,
    read_checkpoint,
    trained_steps,
)
from seminas.training.classifier import Classifier
from seminas.training.data.images import Images
from seminas.training.data.make import seeded_images
from seminas.training.export import digest, export
from seminas.training.trainer import evaluating_trainer, make_trainer

log = logging.getLogger(__name__)
FINAL = ("val_accuracy", "val_top5", "test_accuracy", "test_top5")
"""What is measured with the weights that are kept."""


@dataclass
class StandaloneJob:
    """The training of one network in a folder. Each rank holds a copy of the job.

    Attributes:
        space: Search space that builds the network.
        architecture: Architecture of the network.
        recipe: Settings of the optimizer, the schedule and the augmentation.
        trainer: Settings of Lightning's trainer and its devices.
        folder: Run folder of checkpoints, metrics, the result and the exported network.
        config: Whole resolved config.
        quiet: Whether to show no progress.
    """

    space: SearchSpace
    architecture: Any
    recipe: Recipe
    trainer: TrainerSettings
    folder: Path
    config: Config
    quiet: bool

    @property
    def seed(self) -> int:
        """Seed of the weights, of the order of the data, and of its augmentation."""
        return int(self.config["seed"])

    @property
    def monitor(self) -> str:
        """Name of the validation measure that chooses the checkpoint to keep. Higher values are better."""
        return "val_accuracy"

    @property
    def final(self) -> Sequence[str]:
        """Names of the measures of the weights that are kept."""
        return FINAL

    def data(self) -> Any:
        """Return the data module. Its order and augmentation follow from the seed."""
        return seeded_images(self.config["data"]["images"], self.seed, self.recipe.augmentation)

    def has_validation(self, data: Any) -> bool:
        """Return whether the data has a validation split."""
        return len(data.sources["val"]) > 0

    def network(self, data: Any) -> nn.Module:
        """Return the untrained network for the data."""
        skeleton = self.recipe.networks.get(self.space.name, {})
        network: nn.Module = self.space.build_network(  # type: ignore[attr-defined]
            self.architecture, data.num_classes, data.in_channels, **skeleton
        )
        return network

    def module(self, network: nn.Module, data: Any) -> pl.LightningModule:
        """Return the module that trains the network."""
        return Classifier(network, data.num_classes, self.recipe, self.seed)

    def about(self, trainer: pl.Trainer, network: nn.Module) -> dict[str, Any]:
        """Return the fields that the results of all kinds of trainings have."""
        return {
            "space": self.space.name,
            "seed": self.seed,
            "architecture": self.space.to_json(self.architecture),
            "key": self.space.key(self.architecture),
            "epochs": trainer.current_epoch,
            "steps": trainer.global_step,
            "parameters": count_parameters(network),
            "config": self.config,
            **RunFolder(self.folder).timing(),
        }

    def record(self, network: Any, data: Any) -> None:
        """Write what people see or hear of the trained network into the folder. The default writes nothing."""

    def finish(self, trainer: pl.Trainer, network: Any, data: Any, measured: Mapping[str, float]) -> Result:
        """Export the trained network, and return the result.

        Args:
            trainer: Trainer at the end of the training.
            network: Network with the weights that are kept.
            data: Data module.
            measured: Measures of these weights by name.
        """
        result = TrainingResult(
            **self.about(trainer, network),
            val_accuracy=measured.get("val_accuracy"),
            val_top5=measured.get("val_top5"),
            test_accuracy=measured["test_accuracy"],
            test_top5=measured.get("test_top5"),
            skipped_images=data.num_skipped,
            macs=count_macs(network.cpu(), data.image_shape),
        )
        description = _description(self, result, data)
        export(self.folder, network, data.image_shape, description, self.config["export"])
        return result


def train(job: StandaloneJob) -> None:
    """Train, evaluate and export a network on this rank. Only the first rank writes the export and the result."""
    data = job.data()
    torch.manual_seed(job.seed)
    network = job.network(data)
    module = job.module(network, data)
    has_validation = job.has_validation(data)
    loggers = build_loggers(job.config["logger"], job.folder, partial(trained_steps, job.folder))
    trainer = make_trainer(
        job.trainer,
        job.folder,
        job.recipe,
        loggers,
        monitor=job.monitor if has_validation else None,
        quiet=job.quiet,
        limit_val_batches=1.0 if has_validation else 0,
    )
    with closing_loggers(loggers), raising_interrupts():
        log_config(loggers, job.config)
        trainer.fit(module, datamodule=data, ckpt_path=last_checkpoint(job.folder), weights_only=True)
        log.info("parameters after step %d: SHA-256 %s", trainer.global_step, digest(network))
        measured = _measured(job, module, data, has_validation)
        final = {f"final/{name}": measured.get(name) for name in job.final}
        log_numbers(loggers, final, trainer.global_step)
        if trainer.is_global_zero:
            job.record(network, data)
            log_recordings(loggers, job.folder, trainer.global_step)
    if not trainer.is_global_zero:
        return
    RunFolder(job.folder).write_result(job.finish(trainer, network, data, measured))


def _measured(
    job: StandaloneJob, module: pl.LightningModule, data: Any, has_validation: bool
) -> dict[str, float]:
    """Return the measures of the checkpoint with the best ``job.monitor``, if it exists, or of the last one."""
    checkpoints = checkpoint_folder(job.folder)
    best = checkpoints / BEST
    # A training that ends before its first validation has no best checkpoint.
    kept = read_checkpoint(best if has_validation and best.exists() else checkpoints / LAST)
    module.load_state_dict(kept["state_dict"])
    trainer = evaluating_trainer(job.trainer, job.folder)
    measured: dict[str, float] = {}
    if has_validation:
        measured |= dict(trainer.validate(module, data, verbose=False)[0])
    return measured | dict(trainer.test(module, data, verbose=False)[0])


def _description(job: StandaloneJob, result: TrainingResult, images: Images) -> dict[str, Any]:
    """Return the contents of ``network.json``: the values to rebuild the network, its costs and its accuracies."""
    return {
        "space": result.space,
        "architecture": result.architecture,
        "key": result.key,
        "parameters": result.parameters,
        "macs": result.macs,
        "space_config": job.config["space"],
        "networks": job.recipe.networks,
        "num_classes": images.num_classes,
        "image": list(images.image_shape),
        "classes": images.classes,
        "val_accuracy": result.val_accuracy,
        "test_accuracy": result.test_accuracy,
    }
