"""Tiny LightningModules and made-up data for tests of ``evaluator=lightning``."""

import os
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Data(pl.LightningDataModule):
    """Points on the plane in two classes: inside and outside of a circle."""

    def __init__(self, num_points: int = 256) -> None:
        super().__init__()
        self.save_hyperparameters()
        points = torch.randn(2 * num_points, 2, generator=torch.Generator().manual_seed(0))
        labels = (points.square().sum(1) > 1.4).long()
        self.train_set = TensorDataset(points[:num_points], labels[:num_points])
        self.val_set = TensorDataset(points[num_points:], labels[num_points:])

    def train_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.train_set, 64, shuffle=True)

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.val_set, 256)


class Net(pl.LightningModule):
    """A perceptron. It appends its width and the number of each epoch to a file when the epoch begins.

    Args:
        width: Width of each hidden layer.
        depth: Number of hidden layers.
        log: File for the epochs. None means no file.
        dies_at: Epoch at whose beginning the process dies, once for each network.
        sleeps_s: Duration of a sleep at the beginning of each epoch, in seconds.
        loss: Further object that a checkpoint must not hold.
    """

    def __init__(
        self,
        width: int,
        depth: int = 1,
        log: str | None = None,
        dies_at: int | None = None,
        sleeps_s: float = 0.0,
        loss: Any = nn.functional.cross_entropy,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.losses: list[float] = []
        hidden = [layer for i in range(depth) for layer in (nn.Linear(width if i else 2, width), nn.ReLU())]
        self.net = nn.Sequential(*hidden, nn.Linear(width, 2))

    def on_train_epoch_start(self) -> None:
        h, epoch = self.hparams, self.current_epoch
        if h["log"] is not None and self.global_rank == 0:
            with Path(h["log"]).open("a") as file:
                file.write(f"{h['width']} {epoch}\n")
        if epoch == h["dies_at"] and not (mark := Path(f"{h['log']}.died")).exists():
            mark.touch()
            os._exit(1)
        time.sleep(h["sleeps_s"])

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        points, labels = batch
        loss: torch.Tensor = nn.functional.cross_entropy(self.net(points), labels)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        points, labels = batch
        scores = self.net(points)
        self.log("val/loss", nn.functional.cross_entropy(scores, labels), sync_dist=True)
        self.log("val_acc", (scores.argmax(1) == labels).float().mean(), sync_dist=True)
        self.log("worse", float(self.current_epoch))
        self.log("nan", float("nan"))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), 0.02)


class TakesTheArchitecture(Net):
    """A perceptron of an architecture in its JSON form."""

    def __init__(self, architecture: Any) -> None:
        super().__init__(4 + len(str(architecture)) % 4)


class TakesAnything(Net):
    """A perceptron that ignores what it does not know."""

    def __init__(self, width: int, **rest: Any) -> None:
        super().__init__(width)


class NeedsMore(Net):
    """A perceptron with an argument that no position gives."""

    def __init__(self, width: int, depth: int, dropout: float) -> None:
        super().__init__(width, depth)


class IsNone:
    """No LightningModule."""


def is_function(width: int) -> None:
    """No class."""
