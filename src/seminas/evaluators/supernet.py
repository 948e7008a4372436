"""Evaluator that measures architectures with the weights of a supernet. It trains the supernet in each round."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seminas.config.evaluators import SupernetEvaluatorSettings
from seminas.errors import UserError, config_error
from seminas.evaluators.base import Evaluator
from seminas.evaluators.evaluation import Evaluation
from seminas.execution.base import LostError
from seminas.execution.ray_tasks import RayTasks
from seminas.runs.recordings import Recording
from seminas.spaces.base import A, SearchSpace
from seminas.spaces.capabilities import HasSpeechSupernet, HasSupernet, require
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
    """

    architectures: list[Any]
    steps: int


class SupernetEvaluator(Evaluator[A]):
    """Evaluator that trains a supernet and then measures architectures (Luo et al., NeurIPS 2020, section 4.2).

    The data decides the metric: the validation accuracy of images, or a measure of attention of speech.

    Each round continues the training, so the accuracies of earlier rounds come from earlier weights. After each round,
    the search measures all earlier architectures again (``revised``). So it compares accuracies from the same weights.
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
        self._known: dict[A, dict[str, float]] = {}
        self._known_at_step = -1
        self.metric, self.metrics = self._job.metric, self._job.metrics
        # Find errors of the supernet and of the data now, before the training.
        made = self._job.data()
        made.check_batches(num_local_processes(settings.trainer))
        self._job.module(made)
        self._ray = RayTasks(self._job, settings.ray) if settings.engine == "ray" else None

    def evaluate(self, architectures: Sequence[A]) -> Iterator[tuple[int, Evaluation]]:
        """Continue the supernet's training, and then measure the architectures.

        If the last round of the training already had all these architectures, only finish that round and measure.
        """
        start = time.perf_counter()
        phases = self._phases()
        asked = [self._space.to_json(a) for a in architectures]
        if not phases or any(a not in phases[-1].architectures for a in asked):
            steps = phases[-1].steps + self._settings.round_steps if phases else self._settings.first_steps
            phases.append(Phase(asked, steps))
            write_json(self._phases_file, [vars(phase) for phase in phases])
        self._train(phases)
        values = self._measure(architectures)
        cost = (time.perf_counter() - start) / len(values)
        for position, value in enumerate(values):
            further = {metric.name: value[metric.name] for metric in self.metrics}
            yield position, Evaluation(value[self.metric.name], cost, metrics=further)

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
            measured = (
                self._job.measured_values(new) if self._ray is None else self._measured_on_ray(new, self._ray)
            )
            self._known |= dict(zip(new, measured, strict=True))
        return [self._known[a] for a in architectures]

    def _measured_on_ray(self, architectures: Sequence[A], engine: RayTasks) -> list[dict[str, float]]:
        """Return all metrics by name, measured on Ray.

        Each worker gets one part of the architectures, and loads the supernet once for its part.

        Raises:
            UserError: A worker died twice.
        """
        number = min(engine.num_workers, len(architectures))
        values: dict[A, dict[str, float]] = {}
        parts = [list(architectures[i::number]) for i in range(number)]
        for i, part in engine.calls("values", [(part,) for part in parts]):
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
