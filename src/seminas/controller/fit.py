"""Fitting the controller: teachers on labeled architectures, then a student on the teachers' labels of others too."""

import copy
import logging
import signal
import threading
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

from seminas.controller.model import (
    ENCODERS,
    ControllerModel,
    EncoderPredictorDecoder,
    Inputs,
    as_inputs,
)
from seminas.controller.module import Batches, ControllerModule, Labeled
from seminas.controller.paper import PaperModel
from seminas.errors import config_error
from seminas.spaces.base import A, EnumerableSpace, SearchSpace
from seminas.targets import KINDS, Targets

CHUNK = 128
"""Architectures predicted at once: few enough that what is computed stays in the processor's cache."""
BLOCK = 20_000
"""Architectures made tensors of at once, among which equal ones are predicted once."""
_COUNTS = (
    "members",
    "hidden",
    "layers",
    "batch_size",
    "decoder_batch_size",
    "labeled_steps",
    "pseudo_steps",
    "upsampling",
    "patience",
)
_EPOCHS = ("labeled_epochs", "pseudo_epochs")
_CHOICES = {
    "encoder": (*ENCODERS, "paper"),
    "targets": KINDS,
    "optimizer": ("adamw", "adam"),
    "schedule": ("one_cycle", "constant"),
}


@dataclass(frozen=True)
class ControllerSettings:
    """The model and how it is fitted; ``conf/controller/`` names and explains each.

    Attributes:
        encoder: ``graph``, ``lstm``, or ``paper``: the whole model is the authors'.
        members: Teachers, each an encoder and a predictor, that label others by their mean; a student with a decoder
            learns from that. With 1, the teacher has the decoder and goes on as the student, as in the paper.
        hidden: Width of every state.
        layers: Of the encoder.
        predictor: Widths of the predictor's hidden layers.
        sigmoid: Whether the predictor of ``paper`` ends in one.
        dropout: In the encoder, the predictor and the decoder's input.
        targets: What accuracies are fitted as, one of ``seminas.targets.KINDS``.
        forest: Weight of a random forest on the space's features in the teachers' mean and in predictions, 0 for none.
        tradeoff: λ, the weight of the predictor's loss against the decoder's.
        optimizer: ``adamw`` or ``adam``.
        schedule: Of the learning rate, ``one_cycle`` or ``constant``.
        learning_rate: Its peak.
        weight_decay: Of the optimizer.
        gradient_clip: Norm at which gradients are clipped.
        batch_size: Architectures a step, all of them where there are fewer.
        whole_batches: Leave out what is left of a pass and fills no batch.
        decoder_batch_size: Architectures of a batch that the decoder, the slow part, learns from.
        labeled_steps: Steps on up to 100 labeled architectures; on N of them, times the square root of N / 100.
        pseudo_steps: Further steps, of the student.
        labeled_epochs: Passes in place of ``labeled_steps``.
        pseudo_epochs: Passes in place of ``pseudo_steps``.
        upsampling: How often a labeled architecture counts beside pseudo-labeled ones.
        held_out: Fraction of the labeled architectures that stop the first stage early; 0 uses all for fitting.
        patience: Checks, one every 25 steps, without a better rank correlation on those held out.
        warm_start: Whether a search goes on with the controller of its last round.
    """

    encoder: str = "graph"
    members: int = 5
    hidden: int = 32
    layers: int = 2
    predictor: tuple[int, ...] = (32,)
    sigmoid: bool = False
    dropout: float = 0.1
    targets: str = "tail"
    forest: float = 0.0
    tradeoff: float = 0.8
    optimizer: str = "adamw"
    schedule: str = "one_cycle"
    learning_rate: float = 1e-2
    weight_decay: float = 1e-2
    gradient_clip: float = 5.0
    batch_size: int = 32
    whole_batches: bool = True
    decoder_batch_size: int = 32
    labeled_steps: int = 100
    pseudo_steps: int = 64
    labeled_epochs: int | None = None
    pseudo_epochs: int | None = None
    upsampling: int = 10
    held_out: float = 0.0
    patience: int = 4
    warm_start: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be fitted, naming the key."""
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise config_error(f"controller.{name}", getattr(self, name), f"one of {', '.join(choices)}")
        for name in (*_COUNTS, *(name for name in _EPOCHS if getattr(self, name) is not None)):
            if getattr(self, name) < 1:
                raise config_error(f"controller.{name}", getattr(self, name), "at least 1")
        for name in ("learning_rate", "gradient_clip"):
            if getattr(self, name) <= 0:
                raise config_error(f"controller.{name}", getattr(self, name), "above 0")
        for name in ("dropout", "forest", "tradeoff", "held_out", "weight_decay"):
            if not 0 <= getattr(self, name) <= 1:
                raise config_error(f"controller.{name}", getattr(self, name), "from 0 to 1")
        if self.encoder == "paper" and self.members > 1:
            raise config_error("controller.members", self.members, "1 with controller.encoder=paper")
        if self.encoder == "paper" and len(self.predictor) != 1:
            raise config_error(
                "controller.predictor", self.predictor, "one width with controller.encoder=paper"
            )


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
    """A fitted controller.

    Attributes:
        student: Encoder, predictor and decoder: what moves and writes architectures.
        teachers: Further encoders and predictors whose opinion counts as much; None where there are no others.
        targets: The scale of their predictions.
        forest: A further opinion, which counts as much as it says; None for none.
    """

    def __init__(
        self,
        space: SearchSpace[A],
        student: EncoderPredictorDecoder,
        teachers: EncoderPredictorDecoder | None,
        targets: Targets,
        forest: "Forest[A] | None" = None,
    ) -> None:
        self.space = space
        self.student = student.eval().requires_grad_(False)
        self.teachers = None if teachers is None else teachers.eval().requires_grad_(False)
        self.targets = targets
        self.forest = forest

    @one_thread()
    def scores(self, architectures: Sequence[A]) -> NDArray[np.float64]:
        """Return every network's predictions, ``[E, n]``, on the scale of the targets: the teachers', the student's."""
        blocks = [
            self._scores(as_inputs(self.space, architectures[i : i + BLOCK]))
            for i in range(0, len(architectures), BLOCK)
        ]
        return np.concatenate(blocks, axis=1) if blocks else np.empty((len(self._models), 0))

    def score_space(self) -> NDArray[np.float64]:
        """Return the scores of all architectures of a space that numbers them, ``[E, size]``, in its order.

        Raises:
            TypeError: The space does not number its architectures.
        """
        if not isinstance(self.space, EnumerableSpace):
            raise TypeError(f"space {self.space.name} does not number its architectures")
        numbers = np.arange(self.space.size)
        blocks = [self.scores(self.space.at(numbers[i : i + BLOCK])) for i in range(0, len(numbers), BLOCK)]
        return np.concatenate(blocks, axis=1)

    def mean_scores(self, architectures: Sequence[A]) -> NDArray[np.float64]:
        """Return predictions, ``[n]``, on the scale of the targets: the networks' mean, and the forest's."""
        mean = self.scores(architectures).mean(axis=0)
        return mean if self.forest is None else self.forest.mixed(mean, architectures)

    def predict(self, architectures: Sequence[A]) -> NDArray[np.float64]:
        """Return predicted accuracies, ``[n]``, as fractions."""
        return self.targets.accuracies(self.mean_scores(architectures))

    @property
    def _models(self) -> list[EncoderPredictorDecoder]:
        return [model for model in (self.teachers, self.student) if model is not None]

    def _scores(self, inputs: Inputs) -> NDArray[np.float64]:
        inputs, place = inputs.distinct(self.student.encoder.reads)
        with torch.inference_mode():
            parts = [
                torch.cat([model.predict(part) for model in self._models]) for part in inputs.split(CHUNK)
            ]
        return torch.cat(parts, dim=1).double().numpy()[:, place]


@one_thread()
def fit_controller(
    space: SearchSpace[A],
    settings: ControllerSettings,
    architectures: Sequence[A],
    accuracies: NDArray[np.float64],
    seed: Sequence[int],
    unlabeled: Sequence[A] = (),
    start: Controller[A] | None = None,
    decode: bool = True,
) -> tuple[Controller[A], NDArray[np.float64]]:
    """Fit a controller.

    Args:
        space: What the architectures are of.
        settings: Model and schedule.
        architectures: The labeled ones, n of them.
        accuracies: Theirs, ``[n]``; targets are made from them alone.
        seed: Such as (seed, round); the same seed gives the same controller.
        unlabeled: Architectures for the teachers to label and the student to learn from too, m of them.
        start: What to go on from, where ``settings.warm_start``; from scratch otherwise.
        decode: Whether the student learns to write; a single member, whose decoder is part of its loss, does anyway.

    Returns:
        The controller and the pseudo-labels, ``[m]``, as fractions.
    """
    state = np.random.SeedSequence(seed).generate_state(2, np.uint64)
    generator = torch.Generator().manual_seed(int(state[0]) >> 1)
    targets = Targets(settings.targets, accuracies)
    labeled = Labeled(as_inputs(space, architectures), torch.as_tensor(targets.values, dtype=torch.float32))
    going_on = start if settings.warm_start else None
    several = settings.members > 1
    with torch.random.fork_rng(devices=[]), _quiet():
        torch.manual_seed(int(state[1]) >> 1)
        if going_on is None:
            teachers = _model(space, settings, settings.members)
        else:
            teachers = copy.deepcopy(going_on.teachers or going_on.student)
        forest = _forest(space, settings, architectures, targets.values, int(state[0]))
        fitted, held_out = _split(labeled, settings.held_out, generator)
        rows = torch.arange(len(fitted.targets))
        _fit(teachers, settings, fitted, rows, False, generator, held_out, decode=not several)
        if not several and not len(unlabeled):
            return Controller(space, teachers, None, targets, forest), np.empty(0)
        both, rows, pseudo = labeled, torch.arange(len(labeled.targets)), np.empty(0)
        if len(unlabeled):
            inputs = as_inputs(space, unlabeled)
            pseudo = Controller(space, teachers, None, targets)._scores(inputs).mean(axis=0)
            if forest is not None:
                pseudo = forest.mixed(pseudo, unlabeled)
            both = Labeled(
                Inputs(*(torch.cat(views) for views in zip(labeled.inputs, inputs, strict=True))),
                torch.cat([labeled.targets, torch.as_tensor(pseudo, dtype=torch.float32)]),
            )
            others = torch.arange(len(labeled.targets), len(both.targets))
            rows = torch.cat([rows.repeat(settings.upsampling), others])
            pseudo = targets.accuracies(pseudo)
        if not several:
            student = teachers
        else:
            student = _model(space, settings, 1) if going_on is None else copy.deepcopy(going_on.student)
        _fit(student, settings, both, rows, True, generator, decode=decode or not several)
        return Controller(space, student, teachers if several else None, targets, forest), pseudo


@dataclass(frozen=True)
class Forest(Generic[A]):
    """A random forest (Breiman, Machine Learning, 2001) on a space's features: it errs elsewhere than networks do.

    Attributes:
        space: What it is fitted on.
        model: The fitted forest.
        weight: Of its opinion.
    """

    space: SearchSpace[A]
    model: Any
    weight: float

    def mixed(self, mean: NDArray[np.float64], architectures: Sequence[A]) -> NDArray[np.float64]:
        """Return the weighted mean of the networks' predictions, ``[n]``, and its own."""
        blocks = [
            self.model.predict(self.space.features(architectures[i : i + BLOCK]))
            for i in range(0, len(architectures), BLOCK)
        ]
        return (1 - self.weight) * mean + self.weight * np.concatenate(blocks) if blocks else mean


def _forest(
    space: SearchSpace[A],
    settings: ControllerSettings,
    architectures: Sequence[A],
    targets: NDArray[np.float64],
    seed: int,
) -> Forest[A] | None:
    if not settings.forest:
        return None
    from sklearn.ensemble import RandomForestRegressor

    model = RandomForestRegressor(500, max_features=0.33, random_state=seed % 2**32)
    return Forest(space, model.fit(space.features(architectures), targets), settings.forest)


def _model(space: SearchSpace[A], settings: ControllerSettings, members: int) -> EncoderPredictorDecoder:
    """Return a new model."""
    if settings.encoder == "paper":
        return PaperModel(
            space, settings.hidden, settings.layers, settings.predictor[0], settings.dropout, settings.sigmoid
        )
    return ControllerModel(
        space,
        settings.encoder,
        settings.hidden,
        settings.layers,
        list(settings.predictor),
        settings.dropout,
        members,
    )


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
    model: EncoderPredictorDecoder,
    settings: ControllerSettings,
    data: Labeled,
    rows: torch.Tensor,
    student: bool,
    generator: torch.Generator,
    held_out: Labeled | None = None,
    decode: bool = True,
) -> None:
    """Fit a model on rows of the data, on one of the two schedules."""
    batch_size = min(settings.batch_size, len(rows))
    epochs = settings.pseudo_epochs if student else settings.labeled_epochs
    steps = (
        settings.pseudo_steps if student else round(settings.labeled_steps * max(1.0, len(rows) / 100) ** 0.5)
    )
    if epochs is not None:
        a_pass = len(rows) // batch_size if settings.whole_batches else -(-len(rows) // batch_size)
        steps = epochs * a_pass
    steps = max(1, steps)
    module = ControllerModule(model.train().requires_grad_(True), settings, decode)
    batches = DataLoader(Batches(data, rows, batch_size, generator, settings.whole_batches), batch_size=None)
    stop = EarlyStopping("held_out_tau", mode="max", patience=settings.patience)
    trainer = pl.Trainer(
        max_steps=steps,
        accelerator="cpu",
        devices=1,
        # Members are clipped together, each about where it would be alone.
        gradient_clip_val=settings.gradient_clip * (1 if student else settings.members) ** 0.5,
        val_check_interval=min(25, steps) if held_out else None,
        callbacks=[SameSignals(), *([stop] if held_out else [])],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    checks: Any = [held_out]
    trainer.fit(module, batches, DataLoader(checks, batch_size=None) if held_out else None)


class SameSignals(pl.Callback):
    """Lets SIGTERM do what it does at any other time of a search: a fit takes seconds, and there is nothing to save."""

    def __init__(self) -> None:
        self._handler = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take back what Lightning has just set, which would end the fit, with a status of 0, or be forgotten."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._handler)


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
