"""A real search with fidelities that is killed many times: nothing is lost, and nothing is paid for twice."""

import random
import signal
import time
from collections import defaultdict
from pathlib import Path

import pytest

from campaign.processes import Processes, send
from campaign.users import few_digits
from learning import digits_recipe
from seminas.config.recipe import STABLE
from seminas.evaluators.trial import Trial
from seminas.runs.folder import RunFolder
from seminas.runs.records import read_history
from seminas.spaces.nasbench101 import NASBench101
from seminas.spaces.rungs import Rung
from seminas.training.rung_checkpoints import RungPlan

EPOCHS, WORKERS, LIMIT_S = 4, 2, 120


@pytest.mark.campaign
@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("kills", "schedule"), [(20, "one_cycle"), (20, STABLE)])
def test_kills_lose_nothing_and_pay_for_nothing_twice(tmp_path: Path, kills: int, schedule: str) -> None:
    """Kill the search with SIGKILL and SIGTERM, and one of its workers with SIGKILL, at random times."""
    rng = random.Random(0)
    folder, ledger = tmp_path / "run", tmp_path / "epochs"
    networks = [f"stem_channels={8}", "num_stacks=2", "cells_per_stack=1"]
    processes = Processes(tmp_path, tmp_path)
    command = [
        "seminas-search",
        *(f"data.recipe.networks.nasbench101.{setting}" for setting in networks),
        *(
            "strategy=random",
            "fidelity=halving",
            f"data.recipe.epochs={EPOCHS}",
            f"search.max_cost={max(6, kills)}",
        ),
        *("data.images._target_=campaign.users.noted_digits", f"data.recipe.schedule={schedule}"),
        *(f"evaluator.num_workers={WORKERS}", "evaluator.checkpoint_every_s=0", f"hydra.run.dir={folder}"),
        "evaluator.accelerator=cpu",
    ]

    def begun() -> int:
        return len(ledger.read_text().splitlines()) if ledger.exists() else 0

    kept: list[str] = []
    for number in range(kills):
        process, before, wanted = processes.start(command), begun(), rng.randint(1, 3)
        whom = ("search", "worker", "told")[number % 3]
        until = time.monotonic() + LIMIT_S
        while begun() < before + wanted and process.poll() is None:
            assert time.monotonic() < until, processes.errors()
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 0.5))
        assert process.poll() is None, f"ended after {number} kills: {processes.errors()}"
        if whom == "worker":  # The search goes on, and makes the call once more.
            workers = [pid for pid in processes.running() if pid != process.pid and _trains(pid)]
            assert send(rng.choice(workers), signal.SIGKILL)
            before, until = begun(), time.monotonic() + LIMIT_S
            while begun() == before:
                assert time.monotonic() < until and process.poll() is None, processes.errors()
                time.sleep(0.02)
        assert send(process.pid, signal.SIGTERM if whom == "told" else signal.SIGKILL)
        process.wait(LIMIT_S)
        assert processes.left_after(60) == []
        lines = (folder / "history.jsonl").read_text().splitlines()
        assert lines[: len(kept)] == kept
        kept = lines
    assert processes.start(command).wait(LIMIT_S) == 0, processes.errors()
    result, records = RunFolder(folder).result(), read_history(folder)
    assert result is not None and (folder / "history.jsonl").read_text().splitlines()[: len(kept)] == kept
    assert [record.index for record in records] == list(range(len(records)))
    space, recipe = NASBench101(), digits_recipe(EPOCHS)
    recipe = type(recipe)(**{**vars(recipe), "schedule": schedule})
    reached: defaultdict[str, int] = defaultdict(int)
    paid = 0
    for record in sorted(records, key=lambda r: r.epochs or 0):
        assert record.error is None and record.epochs is not None and record.cost is not None
        assert record.epochs > reached[record.key], "evaluated twice"
        start = RungPlan.of(reached[record.key], recipe, True).kept if reached[record.key] else 0
        assert record.cost == pytest.approx((record.epochs - start) / EPOCHS)
        reached[record.key] = record.epochs
        paid += record.epochs - start
    # A kill loses at most the epochs that run, and those between the checkpoint and the record of a full training.
    assert begun() <= paid + EPOCHS + 2 * WORKERS * (kills + kills // 3)
    section = {"_target_": "campaign.users.few_digits", "batch_size": 64}
    trial = Trial(space, section, recipe, 0, "cpu")
    assert len(few_digits(64).splits["train"][1]) == 256
    for record in records[::4]:
        assert record.epochs is not None
        element = Rung(space.from_json(record.architecture), record.epochs)
        assert trial.run(element, ("val",)).metrics["val"] == record.value


def _trains(pid: int) -> bool:
    """Return whether a process is a worker, and not the process that keeps track of shared resources."""
    try:
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
