"""Fitting the controller: on labeled architectures, then on its own labels of others as well."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pytorch_lightning.callbacks import EarlyStopping
from torch.utils.data import DataLoader

from seminas.controller.model import ENCODERS, ControllerModel, Inputs, as_inputs
from seminas.controller.module import Batches, ControllerModule, Labeled
from seminas.errors import config_error
from seminas.spaces.base import A, SearchSpace

CHUNK = 512
_COUNTS = (
    "hidden",
    "layers",
    "batch_size",
    "decoder_batch_size",
    "labeled_steps",
    "pseudo_steps",
    "upsampling",
    "patience",
)


@dataclass(frozen=True)
class ControllerSettings:
    """The model and how it is fitted; ``conf/controller/`` names and explains each.

    Attributes:
        encoder: ``graph`` or ``lstm``.
        hidden: Width of every state.
        layers: Of the encoder.
        predictor: Widths of the predictor's hidden layers.
        dropout: In the encoder, the predictor and the decoder's input.
        tradeoff: λ, the weight of the predictor's loss against the decoder's.
        learning_rate: Peak of the one-cycle schedule.
        weight_decay: Of AdamW.
        gradient_clip: Norm at which gradients are clipped.
        batch_size: Architectures a step, all of them where there are fewer.
        decoder_batch_size: Architectures of a batch that the decoder, the slow part, learns from.
        labeled_steps: Steps on the labeled architectures.
        pseudo_steps: Further steps once there are pseudo-labels.
        upsampling: How often a labeled architecture counts beside pseudo-labeled ones.
        held_out: Fraction of the labeled architectures that stop the first stage early; 0 uses all for fitting.
        patience: Checks, one every 25 steps, without a better rank correlation on those held out.
    """

    encoder: str = "graph"
    hidden: int = 48
    layers: int = 3
    predictor: tuple[int, ...] = (48,)
    dropout: float = 0.1
    tradeoff: float = 0.8
    learning_rate: float = 5e-3
    weight_decay: float = 1e-2
    gradient_clip: float = 5.0
    batch_size: int = 64
    decoder_batch_size: int = 32
    labeled_steps: int = 150
    pseudo_steps: int = 150
    upsampling: int = 10
    held_out: float = 0.0
    patience: int = 4

    def __post_init__(self) -> None:
        """Refuse what cannot be fitted, naming the key."""
        if self.encoder not in ENCODERS:
            raise config_error("controller.encoder", self.encoder, f"one of {', '.join(ENCODERS)}")
        for name in _COUNTS:
            if getattr(self, name) < 1:
                raise config_error(f"controller.{name}", getattr(self, name), "at least 1")
        for name in ("learning_rate", "gradient_clip"):
            if getattr(self, name) <= 0:
                raise config_error(f"controller.{name}", getattr(self, name), "above 0")
        for name in ("dropout", "tradeoff", "held_out", "weight_decay"):
            if not 0 <= getattr(self, name) <= 1:
                raise config_error(f"controller.{name}", getattr(self, name), "from 0 to 1")


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread.

    The model is so small that a second one gains little on an idle machine, and waits for its turn at every step on
    one that is busy with other jobs; and results do not depend on the number of cores.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Controller(Generic[A]):
    """A fitted controller: the model, and the scale of its predictions."""

    def __init__(self, space: SearchSpace[A], model: ControllerModel, mean: float, deviation: float) -> None:
        self.space = space
        self.model = model.eval().requires_grad_(False)
        self.mean = mean
        self.deviation = deviation

    @one_thread()
    def predict(self, architectures: Sequence[A]) -> NDArray[np.float64]:
        """Return predicted accuracies, ``[n]``, as fractions."""
        parts = [
            self._predict(as_inputs(self.space, architectures[i : i + CHUNK]))
            for i in range(0, len(architectures), CHUNK)
        ]
        return np.concatenate(parts) if parts else np.empty(0)

    def _predict(self, inputs: Inputs) -> NDArray[np.float64]:
        with torch.inference_mode():
            return self.model.predict(inputs).double().numpy() * self.deviation + self.mean


@one_thread()
def fit_controller(
    space: SearchSpace[A],
    settings: ControllerSettings,
    architectures: Sequence[A],
    accuracies: NDArray[np.float64],
    seed: Sequence[int],
    unlabeled: Sequence[A] = (),
) -> tuple[Controller[A], NDArray[np.float64]]:
    """Fit a controller from scratch.

    Args:
        space: What the architectures are of.
        settings: Model and schedule.
        architectures: The labeled ones, n of them.
        accuracies: Theirs, ``[n]``; targets are standardised by them.
        seed: Such as (seed, round); the same seed gives the same controller.
        unlabeled: Architectures to label by the first stage and fit on in the second, m of them.

    Returns:
        The controller and the pseudo-labels, ``[m]``, as fractions.
    """
    state = np.random.SeedSequence(seed).generate_state(2, np.uint64)
    generator = torch.Generator().manual_seed(int(state[0]) >> 1)
    mean, deviation = float(np.mean(accuracies)), float(np.std(accuracies)) or 1.0
    labeled = Labeled(
        as_inputs(space, architectures), torch.as_tensor((accuracies - mean) / deviation, dtype=torch.float32)
    )
    with torch.random.fork_rng(devices=[]), _quiet():
        torch.manual_seed(int(state[1]) >> 1)
        model = ControllerModel(
            space,
            settings.encoder,
            settings.hidden,
            settings.layers,
            list(settings.predictor),
            settings.dropout,
        )
        fitted, held_out = _split(labeled, settings.held_out, generator)
        rows = torch.arange(len(fitted.targets))
        _fit(model, settings, fitted, rows, settings.labeled_steps, generator, held_out)
        controller = Controller(space, model, mean, deviation)
        if not len(unlabeled):
            return controller, np.empty(0)
        inputs = as_inputs(space, unlabeled)
        pseudo = controller.predict(unlabeled)
        targets = torch.as_tensor((pseudo - mean) / deviation, dtype=torch.float32)
        both = Labeled(
            Inputs(*(torch.cat(views) for views in zip(labeled.inputs, inputs, strict=True))),
            torch.cat([labeled.targets, targets]),
        )
        upsampled = torch.arange(len(labeled.targets)).repeat(settings.upsampling)
        rows = torch.cat([upsampled, torch.arange(len(labeled.targets), len(both.targets))])
        _fit(model.requires_grad_(True), settings, both, rows, settings.pseudo_steps, generator)
        return Controller(space, model, mean, deviation), pseudo


def _split(data: Labeled, fraction: float, generator: torch.Generator) -> tuple[Labeled, Labeled | None]:
    """Hold a fraction out; nothing where that would leave fewer than two on either side."""
    n = len(data.targets)
    num_out = round(fraction * n)
    if num_out < 2 or n - num_out < 2:
        return data, None
    order = torch.randperm(n, generator=generator)
    out, kept = order[:num_out], order[num_out:]
    return tuple(Labeled(data.inputs.select(rows), data.targets[rows]) for rows in (kept, out))  # type: ignore[return-value]


def _fit(
    model: ControllerModel,
    settings: ControllerSettings,
    data: Labeled,
    rows: torch.Tensor,
    steps: int,
    generator: torch.Generator,
    held_out: Labeled | None = None,
) -> None:
    module = ControllerModule(
        model.train(),
        settings.tradeoff,
        settings.learning_rate,
        settings.weight_decay,
        settings.decoder_batch_size,
    )
    batches = DataLoader(Batches(data, rows, settings.batch_size, generator), batch_size=None)
    stop = EarlyStopping("held_out_tau", mode="max", patience=settings.patience)
    trainer = pl.Trainer(
        max_steps=steps,
        accelerator="cpu",
        devices=1,
        gradient_clip_val=settings.gradient_clip,
        val_check_interval=min(25, steps) if held_out else None,
        callbacks=[stop] if held_out else [],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    checks: Any = [held_out]
    trainer.fit(module, batches, DataLoader(checks, batch_size=None) if held_out else None)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's remarks on hardware and data loaders from a fit that takes seconds."""
    logger = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
