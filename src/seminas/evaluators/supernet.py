"""Evaluator that measures architectures with the weights of a supernet. It trains the supernet in each round."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from seminas.config.evaluators import SupernetEvaluatorSettings
from seminas.config.fidelities import levels_of
from seminas.errors import UserError, config_error
from seminas.evaluators.base import Evaluator
from seminas.evaluators.evaluation import Evaluation
from seminas.execution.base import LostError
from seminas.execution.ray_tasks import RayTasks
from seminas.runs.recordings import Recording
from seminas.spaces.base import A, SearchSpace
from seminas.spaces.capabilities import HasSpeechSupernet, HasSupernet, require
from seminas.spaces.rungs import Rung, plain
from seminas.storage.files import write_json
from seminas.storage.typed import read_typed
from seminas.training.devices import check_devices, num_local_processes
from seminas.training.speech.supernet import SpeechSupernetJob
from seminas.training.supernet import SupernetJob


@dataclass
class Phase:
    """Part of the supernet's training in one round of the search.

    Attributes:
        architectures: Architectures of the round, as JSON values.
        steps: Total number of the supernet's training steps at the end of the round.
        images: Number of validation images of each evaluation, in a search with fidelities. Otherwise empty.
    """

    architectures: list[Any]
    steps: int
    images: list[int] = field(default_factory=list)

    def __contains__(self, asked: tuple[Any, int | None]) -> bool:
        """Return whether the round has an evaluation: an architecture, and its number of images or None."""
        return asked in list(zip_longest(self.architectures, self.images))

    def to_json(self) -> dict[str, Any]:
        """Return the phase as a line of the file. Without fidelities it names no images."""
        return {name: value for name, value in vars(self).items() if name != "images" or value}


class SupernetEvaluator(Evaluator[A]):
    """Evaluator that trains a supernet and then measures architectures (Luo et al., NeurIPS 2020, section 4.2).

    The data decides the metric: the validation accuracy of images, or a measure of attention of speech.

    Each round continues the training, so the accuracies of earlier rounds come from earlier weights. After each round,
    the search measures all earlier architectures again (``revised``). So it compares accuracies from the same weights.

    The epochs of a rung are a number of validation images. An evaluation of few images costs its share of a full one,
    and a promotion pays for all its images, because its BatchNorm statistics are of more calibration images.
    """

    revises = True

    def __init__(
        self,
        space: SearchSpace[A],
        seed: int,
        folder: Path,
        settings: SupernetEvaluatorSettings,
        images: Mapping[str, Any] | None = None,
        speech: Mapping[str, Any] | None = None,
    ) -> None:
        """Initialize the evaluator.

        Args:
            space: Search space with a supernet.
            seed: Seed of the weights, the images and the paths.
            folder: Run folder. Its folder ``supernet/`` holds the checkpoints and logs of the supernet.
            settings: Settings of the supernet's training and of the devices.
            images: Section ``data.images`` of the config.
            speech: Section ``data.speech`` of the config, in place of ``data.images``.

        Raises:
            UserError: The space has no supernet for the data, the devices or the data do not fit the settings, or the
                checkpoint ``start_from`` does not exist or does not fit the supernet.
        """
        capability = HasSupernet if speech is None else HasSpeechSupernet
        self._space: Any = require(space, capability, "evaluator=supernet")
        self._settings = settings
        check_devices(settings.trainer, "evaluator.trainer")
        supernet_folder = folder.absolute() / "supernet"
        start = None if settings.start_from is None else Path(settings.start_from)
        if start is not None and not start.is_file():
            raise config_error("evaluator.start_from", start, "a checkpoint of seminas-supernet")
        data = images if speech is None else speech
        if data is None:
            raise UserError("evaluator=supernet: needs data, such as data=imagenet")
        self._job = (SupernetJob if speech is None else SpeechSupernetJob)(
            space,
            data,
            settings.recipe,
            settings.trainer,
            supernet_folder,
            seed,
            settings.sandwich,
            settings.calibrate,
            start,
        )
        self._phases_file = supernet_folder / "phases.json"
        self._known: dict[A | Rung[A], dict[str, float]] = {}
        self._known_at_step = -1
        self.metric, self.metrics = self._job.metric, self._job.metrics
        # Find errors of the supernet and of the data now, before the training.
        made = self._job.data()
        made.check_batches(num_local_processes(settings.trainer))
        self._job.module(made)
        if speech is None:
            full = len(made.sources["val"])
            key = "evaluator.fidelities"
            self.fidelities = levels_of(settings.fidelities, full, key, f"the {full} validation images")
        elif settings.fidelities is not None:
            raise config_error("evaluator.fidelities", list(settings.fidelities), "null with speech")
        self._ray = RayTasks(self._job, settings.ray) if settings.engine == "ray" else None

    def evaluate(self, architectures: Sequence[A]) -> Iterator[tuple[int, Evaluation]]:
        """Continue the supernet's training, and then measure the architectures.

        If the last round of the training already had all these architectures, only finish that round and measure.
        """
        start = time.perf_counter()
        phases = self._phases()
        asked = [self._space.to_json(plain(a)) for a in architectures]
        images = [a.epochs for a in architectures if isinstance(a, Rung)]
        pairs = list(zip_longest(asked, images))
        if not phases or any(pair not in phases[-1] for pair in pairs):
            steps = phases[-1].steps + self._settings.round_steps if phases else self._settings.first_steps
            phases.append(Phase(asked, steps, images))
            write_json(self._phases_file, [phase.to_json() for phase in phases])
        self._train(phases)
        values = self._measure(architectures)
        costs = [self.cost_of(a) for a in architectures]
        unit = (time.perf_counter() - start) / sum(costs)
        for position, value in enumerate(values):
            further = {metric.name: value[metric.name] for metric in self.metrics}
            yield position, Evaluation(value[self.metric.name], unit * costs[position], metrics=further)

    def cost_of(self, element: A | Rung[A]) -> float:
        """Return the cost of an evaluation in full ones: its share of the validation images."""
        return element.epochs / self.fidelities[-1] if isinstance(element, Rung) else 1.0

    def revised(self, architectures: Sequence[A]) -> list[float]:
        """Return the values of architectures with the current weights of the supernet."""
        return [values[self.metric.name] for values in self._measure(architectures)]

    def recordings(self, architectures: Sequence[A]) -> list[Recording]:
        """Return speech of architectures with the current weights of a supernet of text-to-speech networks."""
        return self._job.recordings(architectures)

    def num_parameters(self, architecture: A) -> int:
        """Return the number of trainable parameters of the architecture's standalone network."""
        return self._job.num_parameters(architecture, self._job.data())

    def _phases(self) -> list[Phase]:
        return read_typed(self._phases_file, list[Phase], "list of phases") or []

    def _train(self, phases: Sequence[Phase]) -> None:
        steps = phases[-1].steps
        if self._settings.pool == "found":
            self._job.pool = [self._space.from_json(a) for phase in phases for a in phase.architectures]
        if self._job.step() < steps:
            self.note(f"training the supernet to step {steps:,}")
            self._job.on_all_processes("train", steps)

    def _measure(self, architectures: Sequence[A]) -> list[dict[str, float]]:
        """Return all metrics with the current weights by name. Measure each architecture once for these weights."""
        step = self._job.step()
        if step != self._known_at_step:
            self._known, self._known_at_step = {}, step
        new = [a for a in architectures if a not in self._known]
        if new:
            self.note(f"measuring {len(new)} architectures")
        for number in dict.fromkeys(map(self._num_images, new)):
            part = [a for a in new if self._num_images(a) == number]
            of_part = [plain(a) for a in part]
            measured = (
                self._job.measured_values(of_part, number)
                if self._ray is None
                else self._measured_on_ray(of_part, self._ray, number)
            )
            self._known |= dict(zip(part, measured, strict=True))
        return [self._known[a] for a in architectures]

    def _num_images(self, element: A | Rung[A]) -> int | None:
        """Return the number of validation images of an evaluation. None means all."""
        if not isinstance(element, Rung) or element.epochs == self.fidelities[-1]:
            return None
        return element.epochs

    def _measured_on_ray(
        self, architectures: Sequence[A], engine: RayTasks, images: int | None
    ) -> list[dict[str, float]]:
        """Return all metrics by name, measured on Ray on a number of validation images. None means all.

        Each worker gets one part of the architectures, and loads the supernet once for its part.

        Raises:
            UserError: A worker died twice.
        """
        number = min(engine.num_workers, len(architectures))
        values: dict[A, dict[str, float]] = {}
        parts = [list(architectures[i::number]) for i in range(number)]
        about = () if images is None else (0, images)
        for i, part in engine.calls("values", [(part, *about) for part in parts]):
            if isinstance(part, LostError):
                raise UserError(
                    f"evaluator.engine=ray: a worker died twice ({part}); the same command goes on"
                )
            values |= dict(zip(parts[i], part, strict=True))
        return [values[a] for a in architectures]

    def close(self) -> None:
        """End the workers on Ray, if the evaluator uses Ray."""
        if self._ray is not None:
            self._ray.close()
