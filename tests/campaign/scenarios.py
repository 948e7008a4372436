"""The commands of the campaign, and what must be equal after an undisturbed and after a disturbed run of each."""

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

from support import SMALL_CONTROLLER, SMALL_STRATEGY

SMALL_NETWORK = [
    "space=nasbench101",
    "data=digits",
    "data.images._target_=campaign.users.few_digits",
    "recipe.networks.nasbench101.stem_channels=8",
    "recipe.networks.nasbench101.num_stacks=1",
]
RANKS = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]
LAUNCHERS = {
    "basic": [],
    "joblib": ["cluster=local", "hydra.launcher.n_jobs=2"],
    "submitit": ["cluster=submitit_local"],
    "ray": ["cluster=ray", "+hydra.launcher.ray.init.num_cpus=2"],
}
Facts = dict[str, Any]


@dataclass(frozen=True)
class Scenario:
    """A command.

    Attributes:
        name: Name of the scenario and of its folders.
        command: Name of the program and its arguments, without the run folder.
        weight: Relative frequency.
        is_sweep: Whether the command is a sweep.
        is_own: Whether the ledger lists its evaluations.
    """

    name: str
    command: list[str]
    weight: float = 1.0
    is_sweep: bool = False
    is_own: bool = False

    def arguments(self, folder: Path) -> list[str]:
        """Return the command with its folder."""
        key = "hydra.sweep.dir" if self.is_sweep else "hydra.run.dir"
        return [*self.command, f"{key}={folder}"]

    def facts(self, folder: Path) -> Facts:
        """Return what must be equal, whatever happened on the way."""
        jobs = sorted(path.parent for path in folder.glob("*/result.json")) if self.is_sweep else [folder]
        return {job.name if self.is_sweep else "run": facts_of(job) for job in jobs}


def scenarios(table: Path, rng: random.Random) -> list[Scenario]:
    """Return all scenarios. ``rng`` draws their seeds."""
    seed = f"seed={rng.randrange(1000)}"
    paid = ["evaluator=table", "evaluator._target_=campaign.users.Paid", f"evaluator.path={table}"]
    search = ["seminas-search", seed, "search.num_labeled=20", "search.num_new=10"]
    on_table = [*search, *paid, "search.max_queries=60"]
    digits = [*search, "data.images._target_=campaign.users.few_digits", "data.recipe.epochs=1"]
    digits += ["search.max_queries=6", "search.num_labeled=6", "strategy=random"]
    fidelities = [*search, digits[4], "strategy=random", "fidelity=halving", "data.recipe.epochs=4"]
    fidelities += ["evaluator.num_workers=1", "evaluator.checkpoint_every_s=0", "search.max_cost=5"]
    train = ["seminas-train", seed, *SMALL_NETWORK, "trainer.checkpoint_every=3", "trainer.max_epochs=4"]
    slow = ["evaluator=slow", "evaluator.isolate=true", "strategy=evolution"]
    three = ["evaluator=slow", "evaluator.isolate=3", "strategy=seminas", *SMALL_STRATEGY]
    fit = ["seminas-predictor", seed, f"evaluator.path={table}", "predictor.num_labeled=100"]
    fit += SMALL_CONTROLLER
    supernet = ["seminas-supernet", seed, "space=mobilenet_small", "data=digits", "num_measured=4"]
    supernet += ["data.images._target_=campaign.users.few_digits", "trainer.checkpoint_every=3"]
    supernet += ["trainer.max_steps=16"]
    return [
        *(
            Scenario(f"search-{name}", [*on_table, f"strategy={name}"], 2, is_own=True)
            for name in ("random", "evolution", "local_search")
        ),
        Scenario("search-seminas", [*on_table, "strategy=seminas", *SMALL_STRATEGY], 2, is_own=True),
        Scenario(
            "search-isolated", [*search, "--config-dir", ".", *slow, "search.max_queries=40"], 2, is_own=True
        ),
        Scenario("search-trainings", [*digits, "evaluator.num_workers=2"], 3),
        Scenario("search-rounds", [*digits, "evaluator.num_workers=2", "search.asynchronous=false"], 2),
        *(
            Scenario(f"search-fidelities-{schedule}", [*fidelities, f"data.recipe.schedule={schedule}"], 2)
            for schedule in ("one_cycle", "warmup_stable_decay")
        ),
        Scenario(
            "search-asynchronous",
            [*search, "--config-dir", ".", *three, "search.max_queries=60"],
            3,
            is_own=True,
        ),
        Scenario(
            "search-simulated",
            [*on_table, "evaluator.num_workers=4", "strategy=evolution"],
            2,
            is_own=True,
        ),
        Scenario("train", train, 3),
        Scenario("train-ranks", [*train, *RANKS], 2),
        Scenario("predictor", fit),
        Scenario("supernet", supernet, 2),
        *(
            Scenario(
                f"sweep-{name}",
                [*on_table[:1], "-m", *on_table[2:], "strategy=random,evolution", "seed=0,1", *launcher],
                0.7 if name == "ray" else 1,
                is_sweep=True,
                is_own=True,
            )
            for name, launcher in LAUNCHERS.items()
        ),
    ]


def facts_of(job: Path) -> Facts:
    """Return the facts of one run folder."""
    result = json.loads((job / "result.json").read_text())
    if not _in_order(result):
        return _facts_of_any_order(job)
    for name in ("wall_s", "config", "num_resumed", "cost_s", "fit_s", "makespan_s", "utilization"):
        result.pop(name, None)
    found: Facts = {"result": result}
    if (job / "history.jsonl").exists():
        found["history"] = [without_seconds(record) for record in history(job)]
    for weights in sorted(job.glob("*.safetensors")):
        found[weights.name] = {name: value.tobytes() for name, value in load_file(weights).items()}
    return found


def _in_order(result: Facts) -> bool:
    """Return whether the order of a search's evaluations does not depend on how long they take."""
    if result.get("num_workers", 1) == 1 or result["config"]["search"]["asynchronous"] is False:
        return True
    return str(result["config"]["names"]["evaluator"]) == "table"


def _facts_of_any_order(job: Path) -> Facts:
    """Return the facts of an asynchronous search in real time."""
    lines = history(job)
    facts: Facts = {
        "questions": sorted(line["number"] for line in lines),
        "indices": [line["index"] for line in lines],
        "distinct": len({line["key"] for line in lines}),
    }
    if "strategy: random" in (job / "config.yaml").read_text():  # It asks for the same in any order.
        facts["accuracies"] = sorted((line["key"], line["val_accuracy"]) for line in lines)
    return facts


def history(job: Path, names: tuple[str, ...] = ("history",)) -> list[Facts]:
    """Return the complete lines of the history of a run folder, and of what is pending if ``names`` says so."""
    lines: list[str] = []
    for name in names:
        file = job / f"{name}.jsonl"
        lines += file.read_text().split("\n")[:-1] if file.exists() else []
    return [json.loads(line) for line in lines]


def without_seconds(record: Facts) -> Facts:
    """Return a record without its measured seconds."""
    return {name: value for name, value in record.items() if name not in ("cost_s", "ended_s")}
