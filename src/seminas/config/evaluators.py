"""Settings of the evaluators."""

from dataclasses import dataclass
from typing import Any, ClassVar

from omegaconf import MISSING

from seminas.config.fields import Settings, setting
from seminas.config.recipe import Recipe
from seminas.config.trainer import TrainerSettings
from seminas.errors import config_error

ENGINES = ("processes", "ray")


@dataclass
class EvaluatorSettings(Settings):
    """The settings that every evaluator has, also a user's own.

    Attributes:
        isolate: Whether each evaluation runs in a worker process, so that the search survives an evaluation that ends
            its process. A number: so many evaluations at a time. ``training`` always runs in processes.
        timeout_s: Seconds that an evaluation may take in a worker process before it ends and counts as failed; null:
            any number.
    """

    KEY: ClassVar[str] = "evaluator"

    isolate: Any = setting(False, may_change=True)
    timeout_s: float | None = setting(None, above=0, may_change=True, unit="seconds")

    def check_together(self, key: str) -> None:
        """Refuse a number of processes that is none, and a time limit without a process that could be ended."""
        if not isinstance(self.isolate, bool) and not (type(self.isolate) is int and self.isolate >= 1):
            raise config_error(f"{key}.isolate", self.isolate, "true, false or a number from 1")
        if self.timeout_s is not None and not self.isolate and not self.ISOLATED:
            raise config_error(f"{key}.timeout_s", self.timeout_s, f"null without {key}.isolate=true")

    ISOLATED: ClassVar[bool] = False


@dataclass
class TableSettings(EvaluatorSettings):
    """A table of evaluated architectures.

    Attributes:
        path: The packed file, made by ``seminas data import``, or the name of one that comes with the package.
        repeat: ``random``: one training run of each architecture, drawn by the seed, as a search that trains would see;
            ``mean``: of all runs in the table.
        val: Column that the search reads; null: the table's own choice.
        test: Column of the report, likewise.
        cost: Column of seconds, likewise.
    """

    KEY: ClassVar[str] = "evaluator"

    _target_: str = "seminas.evaluators.table.TableEvaluator"
    path: str = setting(MISSING)
    repeat: str = setting("random", choices=("random", "mean"))
    val: str | None = setting(None)
    test: str | None = setting(None)
    cost: str | None = setting(None)


@dataclass
class RaySettings(Settings):
    """The ``ray`` section of an evaluator.

    Attributes:
        address: Of a cluster, as ``auto`` or ``HOST:6379``; null: Ray is started on this machine.
        num_cpus: Of each evaluation.
        num_gpus: Of each evaluation, such as 0.25 where networks are small.
    """

    KEY: ClassVar[str] = "evaluator.ray"

    address: str | None = setting(None, may_change=True)
    num_cpus: float = setting(1.0, above=0, may_change=True)
    num_gpus: float = setting(0.0, at_least=0, may_change=True)


@dataclass
class TrainingEvaluatorSettings(EvaluatorSettings):
    """Real training of each architecture on the images of ``data``, by ``data.recipe``.

    Attributes:
        engine: Where trainings run: ``processes`` of this machine, or ``ray``.
        num_workers: Processes of ``engine=processes``, each of one thread and at most one GPU; null: one for each GPU,
            or for each core without.
        accelerator: Lightning's: ``auto``, ``cpu``, ``gpu`` or ``cuda``.
        ray: Of ``engine=ray``.
    """

    KEY: ClassVar[str] = "evaluator"
    ISOLATED: ClassVar[bool] = True

    _target_: str = "seminas.evaluators.training.TrainingEvaluator"
    engine: str = setting("processes", choices=ENGINES, may_change=True)
    num_workers: int | None = setting(None, at_least=1, may_change=True, unit="processes")
    accelerator: str = setting("auto", choices=("auto", "cpu", "gpu", "cuda"))
    ray: RaySettings = setting(RaySettings)


@dataclass
class SupernetEvaluatorSettings(EvaluatorSettings):
    """A supernet that is trained between the rounds, and measures architectures by its weights.

    Attributes:
        first_steps: Steps of training before the first round's architectures are measured.
        round_steps: Before each further round's.
        pool: Architectures that are trained: ``found``, those asked for so far, as in the paper, or ``space``, any.
        sandwich: Whether every step trains the largest and the smallest network too; needs
            ``trainer.accumulate_grad_batches`` of at least 2.
        calibrate: Whether BatchNorm statistics are estimated for each architecture. Without, they are of all paths
            mixed.
        start_from: A checkpoint of ``seminas-supernet`` to begin with.
        engine: Where architectures are measured: ``processes``, those that train the supernet, or ``ray``.
        recipe: How the supernet is trained.
        trainer: Where.
        ray: Of ``engine=ray``.
    """

    KEY: ClassVar[str] = "evaluator"

    _target_: str = "seminas.evaluators.supernet.SupernetEvaluator"
    first_steps: int = setting(20_000, at_least=0, unit="steps")
    round_steps: int = setting(20_000, at_least=0, unit="steps")
    pool: str = setting("found", choices=("found", "space"))
    sandwich: bool = False
    calibrate: bool = True
    start_from: str | None = setting(None)
    engine: str = setting("processes", choices=ENGINES, may_change=True)
    recipe: Recipe = setting(Recipe)
    trainer: TrainerSettings = setting(TrainerSettings)
    ray: RaySettings = setting(RaySettings)

    def check_together(self, key: str) -> None:
        """Refuse a schedule with an end, which would end with each part of the training, and worker processes."""
        super().check_together(key)
        if self.isolate:
            raise config_error(f"{key}.isolate", self.isolate, "false with evaluator=supernet")
        if self.recipe.schedule not in ("exponential", "constant"):
            raise config_error(f"{key}.recipe.schedule", self.recipe.schedule, "exponential or constant")
