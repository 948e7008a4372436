"""Settings of evaluators."""

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from omegaconf import MISSING

from seminas.config.fields import Settings, check_group, setting
from seminas.config.proxies import PROXIES, RANK_MEAN, ProxyNetworkSettings
from seminas.config.recipe import ENDLESS_SCHEDULES, Recipe
from seminas.config.trainer import TrainerSettings, check_sandwich
from seminas.errors import config_error

ENGINES = ("processes", "ray", "slurm")
"""Engines that run trainings."""
MEASURING_ENGINES = ("processes", "ray")
"""Engines that measure the architectures of a supernet."""
OURS = ("array", "error", "job-name", "nodes", "ntasks-per-node", "open-mode", "output", "signal", "time")
"""Options of sbatch that the engine sets itself."""


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
    TRAINS_AGAIN: ClassVar[bool] = False
    """Whether the evaluator may be able to train an architecture a second time, for ``search.repeats``."""


@dataclass
class SimulatedSettings(EvaluatorSettings):
    """The settings of evaluators that train nothing, so that their time is simulated.

    Attributes:
        num_workers: Number of simulated workers. They evaluate at the same time, on a simulated clock that moves by the
            seconds of the evaluations.
    """

    num_workers: int = setting(1, at_least=1, unit="workers")


@dataclass
class TableNetworkSettings(Settings):
    """Section ``network`` of a table: the networks whose accuracies the table has, for their exact costs.

    Attributes:
        image: Channels, height and width of an image. Null means those of CIFAR-10, or the space's own image.
        num_classes: Number of classes. Null means 10, or the space's own number.
        skeleton: Further settings of the networks, as in ``recipe.networks``.
    """

    KEY: ClassVar[str] = "evaluator.network"

    image: list[int] | None = setting(None, length=3, at_least=1)
    num_classes: int | None = setting(None, at_least=1)
    skeleton: dict[str, Any] = setting({})


@dataclass
class TableSettings(SimulatedSettings):
    """A table of evaluated architectures.

    Attributes:
        path: Path of a packed table that ``seminas data import`` wrote, or name of a table in the package.
        repeat: Choice among the training runs of an architecture. ``random``: one run, drawn by the seed, like a search
            with real training. ``mean``: the mean of all runs.
        val: Column of validation accuracies, which the search reads. Null means the default column of the table.
        test: Column of test accuracies, which the report states. Null means the default column of the table.
        seconds: Column of the seconds that an evaluation takes. Null means the default column of the table. Without
            such a column an evaluation takes one second.
        network: Image, classes and skeleton of the table's networks, for costs of which the table has no column.
    """

    KEY: ClassVar[str] = "evaluator"
    TRAINS_AGAIN: ClassVar[bool] = True

    _target_: str = "seminas.evaluators.table.TableEvaluator"
    path: str = setting(MISSING)
    repeat: str = setting("random", choices=("random", "mean"))
    val: str | None = setting(None)
    test: str | None = setting(None)
    seconds: str | None = setting(None)
    network: TableNetworkSettings = setting(TableNetworkSettings)


@dataclass
class LandscapeSettings(SimulatedSettings):
    """Made-up accuracies for any chain of choices. An evaluation takes one simulated second.

    Attributes:
        seed: Seed of the landscape. Null means the seed of the run, so that each seed of a sweep has its own landscape.
        noise: Standard deviation of the noise of the validation accuracies, a fraction. The noise of an architecture
            never changes.
    """

    KEY: ClassVar[str] = "evaluator"

    _target_: str = "seminas.evaluators.landscape.LandscapeEvaluator"
    seed: int | None = setting(0, at_least=0)
    noise: float = setting(0.002, at_least=0, at_most=1)


@dataclass
class ProxyEvaluatorSettings(EvaluatorSettings):
    """Zero-cost proxies in place of accuracies, a baseline without training.

    Attributes:
        proxy: Name of the proxy, see ``proxies.names``, or ``rank_mean``: the mean of the ranks of several proxies.
        ranked: Names of the proxies of ``rank_mean``.
        sample: Number of random architectures among which ``rank_mean`` ranks.
        networks: Settings of the networks and the noise. ``names`` has no effect.
    """

    KEY: ClassVar[str] = "evaluator"

    _target_: str = "seminas.evaluators.proxy.ProxyEvaluator"
    proxy: str = setting(RANK_MEAN, choices=(*PROXIES, RANK_MEAN))
    ranked: list[str] = setting(["synflow", "naswot", "jacobian"], choices=PROXIES, distinct=True)
    sample: int = setting(100, at_least=10, unit="architectures")
    networks: ProxyNetworkSettings = setting(ProxyNetworkSettings)

    def check_together(self, key: str) -> None:
        """Refuse a rank mean of no proxy."""
        super().check_together(key)
        if not self.ranked:
            raise config_error(f"{key}.ranked", self.ranked, f"some of {', '.join(PROXIES)}")


@dataclass
class RaySettings(Settings):
    """Section ``ray`` of an evaluator.

    Attributes:
        address: Address of a Ray cluster, such as ``auto`` or ``HOST:6379``. Null starts Ray on this machine.
        num_cpus: Number of CPU cores for each evaluation.
        num_gpus: Number of GPUs for each evaluation. A fraction, such as 0.25, shares a GPU among small networks.
    """

    KEY: ClassVar[str] = "evaluator.ray"

    address: str | None = setting(None, may_change=True)
    num_cpus: float = setting(1.0, above=0, may_change=True)
    num_gpus: float = setting(0.0, at_least=0, may_change=True)


@dataclass
class SlurmSettings(Settings):
    """Section ``slurm`` of an evaluator. Each evaluation is a job of its own, on one node.

    Attributes:
        max_jobs: Largest number of jobs at once, queued or running.
        executor: Executor of submitit. ``slurm``: jobs in Slurm's queue. ``local``: processes of this machine.
        partition: Slurm's partition. Null means the default partition of the cluster.
        account: Slurm's account. Null means the default account of the user.
        timeout_min: Time limit of a job in Slurm. A job that reaches it is submitted once more.
        cpus_per_task: Number of CPU cores for each job.
        gpus_per_node: Number of GPUs for each job. With ``executor=local`` all jobs share the first GPUs.
        mem_gb: Memory of each job. Null means the default of the cluster.
        setup: Shell commands to run before each job, such as ``module load cuda``.
        additional: Further options of ``sbatch``, by name, such as ``{qos: long, constraint: a100}``. Null
            means none.
    """

    KEY: ClassVar[str] = "evaluator.slurm"

    max_jobs: int = setting(8, at_least=1, may_change=True, unit="jobs")
    executor: str = setting("slurm", choices=("slurm", "local"), may_change=True)
    partition: str | None = setting(None, may_change=True)
    account: str | None = setting(None, may_change=True)
    timeout_min: int = setting(1440, at_least=1, may_change=True, unit="minutes")
    cpus_per_task: int = setting(2, at_least=1, may_change=True, unit="cores")
    gpus_per_node: int = setting(0, at_least=0, may_change=True, unit="GPUs")
    mem_gb: float | None = setting(None, above=0, may_change=True, unit="GB")
    setup: list[str] = setting([], may_change=True)
    additional: Any = setting(None, may_change=True)

    def check_together(self, key: str) -> None:
        """Refuse further options that ``sbatch`` cannot have, or that the engine sets itself."""
        check_group(f"{key}.additional", self.additional)
        for name, value in (self.additional or {}).items():
            if not re.fullmatch("[a-z][a-z_-]*", name) or name.replace("_", "-") in OURS:
                raise config_error(f"{key}.additional.{name}", value, "an option of sbatch that is not ours")
            if not isinstance(value, str | int | float):
                raise config_error(f"{key}.additional.{name}", value, "a text, a number or true")


@dataclass
class EngineSettings(EvaluatorSettings):
    """The settings of evaluators whose evaluations run on an engine.

    Attributes:
        engine: Engine that runs the evaluations: ``processes`` on this machine, ``ray``, or ``slurm`` (a job for each).
        num_workers: Number of processes of ``engine=processes``. Each process has one thread and at most one GPU. Null
            means one process for each GPU, or for each core without a GPU.
        accelerator: Lightning's accelerator: ``auto``, ``cpu``, ``gpu`` or ``cuda``.
        num_devices: Number of devices of one evaluation: GPUs, or processes without a GPU. All are on one machine. With
            ``engine=ray``, set ``ray.num_gpus`` to the same number, and with ``engine=slurm`` ``slurm.gpus_per_node``.
        ray: Settings of ``engine=ray``.
        slurm: Settings of ``engine=slurm``.
    """

    ISOLATED: ClassVar[bool] = True

    engine: str = setting("processes", choices=ENGINES, may_change=True)
    num_workers: int | None = setting(None, at_least=1, may_change=True, unit="processes")
    accelerator: str = setting("auto", choices=("auto", "cpu", "gpu", "cuda"))
    num_devices: int = setting(1, at_least=1, unit="devices")
    ray: RaySettings = setting(RaySettings)
    slurm: SlurmSettings = setting(SlurmSettings)


@dataclass
class SupernetEvaluatorSettings(EvaluatorSettings):
    """A supernet that is trained between the rounds, and measures architectures by its weights.

    Attributes:
        first_steps: Number of training steps before the architectures of the first round are measured.
        round_steps: Number of training steps before the architectures of each later round are measured.
        pool: Architectures that the supernet trains. ``found``: the architectures proposed so far, as in the paper.
            ``space``: all architectures of the space.
        sandwich: Whether the first batch of each optimizer step trains the largest network, and the second batch the
            smallest one. Other architectures are trained only with ``trainer.accumulate_grad_batches`` of at least 3.
        calibrate: Whether BatchNorm statistics are estimated for each architecture. Otherwise the statistics are a
            mixture over all paths.
        start_from: Checkpoint of ``seminas-supernet`` to start from. Null starts from random weights.
        fidelities: Numbers of validation images on which a search with fidelities can measure an architecture,
            increasing. The last one is the number of all. Null means an eighth, a fourth, a half and all of them.
        engine: Engine that measures architectures. ``processes``: the processes that train the supernet. ``ray``: Ray.
        recipe: Settings of the optimizer, the schedule and the augmentation for the supernet.
        trainer: Settings of Lightning's trainer and its devices for the supernet.
        ray: Settings of ``engine=ray``.
    """

    KEY: ClassVar[str] = "evaluator"

    _target_: str = "seminas.evaluators.supernet.SupernetEvaluator"
    first_steps: int = setting(20_000, at_least=0, unit="steps")
    round_steps: int = setting(20_000, at_least=0, unit="steps")
    pool: str = setting("found", choices=("found", "space"))
    sandwich: bool = False
    calibrate: bool = True
    start_from: str | None = setting(None)
    fidelities: list[int] | None = setting(None, at_least=1, unit="images")
    engine: str = setting("processes", choices=MEASURING_ENGINES, may_change=True)
    recipe: Recipe = setting(Recipe)
    trainer: TrainerSettings = setting(TrainerSettings)
    ray: RaySettings = setting(RaySettings)

    def check_together(self, key: str) -> None:
        """Refuse a schedule with an end, which would end with each part of the training, and worker processes."""
        super().check_together(key)
        if self.isolate:
            raise config_error(f"{key}.isolate", self.isolate, "false with evaluator=supernet")
        if self.recipe.schedule not in ENDLESS_SCHEDULES:
            allowed = "exponential, constant or inverse_sqrt"
            raise config_error(f"{key}.recipe.schedule", self.recipe.schedule, allowed)
        check_sandwich(self.sandwich, self.trainer, f"{key}.trainer")
