"""Evaluator that measures architectures by a supernet's weights, which it trains between the rounds of a search."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from seminas.errors import UserError, check_at_least, config_error
from seminas.evaluators.base import Evaluator
from seminas.evaluators.engines import LostError, RaySettings, RayTasks, check_engine
from seminas.evaluators.evaluation import Evaluation
from seminas.files import write_file
from seminas.networks.cost import count_parameters
from seminas.spaces.base import A, SearchSpace

if TYPE_CHECKING:
    from seminas.training.classifier import Recipe

POOLS = ("found", "space")


@dataclass
class Phase:
    """A round of the search, as the supernet sees it.

    Attributes:
        architectures: What was asked for in this round, as JSON.
        steps: What the supernet has been trained for by its end, in all.
    """

    architectures: list[Any]
    steps: int


class SupernetEvaluator(Evaluator[A]):
    """Trains a supernet on the architectures asked for so far, then measures them (Luo et al., NeurIPS 2020, 4.2).

    Each round goes on with the training, so that accuracies of earlier rounds are of other weights: they are measured
    again (``revised``), and a search compares what was measured alike.
    """

    revises = True

    def __init__(
        self,
        space: SearchSpace[A],
        seed: int,
        folder: Path,
        images: Any,
        recipe: "Recipe",
        trainer: dict[str, Any],
        first_steps: int,
        round_steps: int,
        pool: str = "found",
        sandwich: bool = False,
        calibrate: bool = True,
        start_from: str | None = None,
        engine: str = "processes",
        ray: RaySettings | None = None,
    ) -> None:
        """Set up the evaluator.

        Args:
            space: What the supernet holds.
            seed: Of everything.
            folder: Run folder; the supernet lives in ``supernet/``.
            images: Makes the images.
            recipe: How the supernet is trained.
            trainer: Settings of ``seminas.training.run.TrainerSettings``.
            first_steps: Training before the first round's architectures are measured.
            round_steps: Before each further round's.
            pool: ``found``: what has been asked for so far is trained, as in the paper; ``space``: anything.
            sandwich: See ``seminas.training.supernet.Paths``.
            calibrate: Whether BatchNorm statistics are estimated for each architecture.
            start_from: A checkpoint of a supernet to start with, such as ``seminas-supernet`` leaves.
            engine: Where architectures are measured: ``processes``, those of the training, or ``ray``.
            ray: Of ``engine=ray``; workers read the supernet from ``folder``.

        Raises:
            UserError: A value makes no sense.
        """
        from seminas.training.run import TrainerSettings
        from seminas.training.supernet import SupernetJob

        check_at_least("evaluator", locals(), {"first_steps": 0, "round_steps": 0})
        if pool not in POOLS:
            raise config_error("evaluator.pool", pool, f"one of {', '.join(POOLS)}")
        if recipe.schedule not in ("exponential", "constant"):
            raise config_error("evaluator.recipe.schedule", recipe.schedule, "exponential or constant")
        settings: TrainerSettings = OmegaConf.to_object(  # type: ignore[assignment]
            OmegaConf.merge(OmegaConf.structured(TrainerSettings), trainer)
        )
        self._space, self._pool = space, pool
        self._first_steps, self._round_steps = first_steps, round_steps
        place = folder.absolute() / "supernet"
        start = None if start_from is None else Path(start_from)
        self._job = SupernetJob(space, images, recipe, settings, place, seed, sandwich, calibrate, start)
        self._state = place / "phases.json"
        self._known: dict[A, float] = {}
        self._known_at = -1
        # What cannot be trained ends the run here, before anything is paid for.
        made = self._job.make_images()
        self._job.module(made)
        self._num_classes, self._in_channels = made.num_classes, made.in_channels
        check_engine(engine)
        self._ray = RayTasks(self._job, ray or RaySettings()) if engine == "ray" else None

    def evaluate(self, architectures: Sequence[A]) -> Iterator[tuple[int, Evaluation]]:
        """Train on with these architectures, then measure them; what the last training was on trains nothing more."""
        start = time.perf_counter()
        phases = self._phases()
        asked = [self._space.to_json(a) for a in architectures]
        if not phases or any(a not in phases[-1].architectures for a in asked):
            steps = phases[-1].steps + self._round_steps if phases else self._first_steps
            phases.append(Phase(asked, steps))
            write_file(self._state, json.dumps([vars(phase) for phase in phases]).encode())
        self._train(phases)
        values = self._measure(architectures)
        cost = (time.perf_counter() - start) / len(values)
        for place, value in enumerate(values):
            yield place, Evaluation(value, cost)

    def revised(self, architectures: Sequence[A]) -> list[float]:
        """Return the accuracies of architectures by the weights as they are now."""
        return self._measure(architectures)

    def num_parameters(self, architecture: A) -> int:
        """Return the parameters of the standalone network."""
        return count_parameters(self._space.build_network(architecture, self._num_classes, self._in_channels))

    def _phases(self) -> list[Phase]:
        try:
            return [Phase(**phase) for phase in json.loads(self._state.read_text())]
        except FileNotFoundError:
            return []
        except (ValueError, TypeError) as error:
            raise UserError(f"{self._state}: is no list of phases ({error})") from error

    def _train(self, phases: Sequence[Phase]) -> None:
        steps = phases[-1].steps
        if self._pool == "found":
            self._job.pool = [self._space.from_json(a) for phase in phases for a in phase.architectures]
        if self._job.stands() < steps:
            self.note(f"training the supernet to step {steps:,}")
            self._job.on_all_processes("train", steps)

    def _measure(self, architectures: Sequence[A]) -> list[float]:
        """Measure what has not been measured by the weights as they are now."""
        stands = self._job.stands()
        if stands != self._known_at:
            self._known, self._known_at = {}, stands
        new = [a for a in architectures if a not in self._known]
        if new:
            self.note(f"measuring {len(new)} architectures")
            measured = self._job.measured(new) if self._ray is None else self._measured_on_ray(new, self._ray)
            self._known |= dict(zip(new, measured, strict=True))
        return [self._known[a] for a in architectures]

    def _measured_on_ray(self, architectures: Sequence[A], engine: RayTasks) -> list[float]:
        """Measure architectures in as many parts as there are workers, each of which loads the supernet once."""
        number = min(engine.num_workers, len(architectures))
        values: dict[A, float] = {}
        parts = [list(architectures[i::number]) for i in range(number)]
        for i, part in engine.calls("accuracies", [(part,) for part in parts]):
            if isinstance(part, LostError):
                raise UserError(
                    f"evaluator.engine=ray: a worker died twice ({part}); the same command goes on"
                )
            values |= dict(zip(parts[i], part, strict=True))
        return [values[a] for a in architectures]

    def close(self) -> None:
        """End what runs on Ray."""
        if self._ray is not None:
            self._ray.close()
