"""Kill a search that trains a user's own LightningModule, with its workers."""

import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from seminas.runs.records import read_history
from support import BIN, ROOT

EPOCHS, WIDTHS = 4, (2, 3, 4, 5, 6)
OVERRIDES = [
    "space=sequence",
    f"space.positions={{width: {list(WIDTHS)}}}",
    "strategy=random",
    "search.max_queries=5",
    "evaluator=lightning",
    "evaluator.module=own_nets.Net",
    "evaluator.data=own_nets.Data",
    "evaluator.monitor=val_acc",
    "evaluator.mode=max",
    f"evaluator.max_epochs={EPOCHS}",
    "evaluator.checkpoint_every_s=0",
    "evaluator.accelerator=cpu",
    "evaluator.num_workers=1",
]


def started(folder: Path, name: str, sleeps_s: float) -> subprocess.Popen[bytes]:
    """Start a search in a process group of its own. Its trainings write their epochs to ``NAME.log``."""
    arguments = f"evaluator.module_arguments={{log: {folder / name}.log, sleeps_s: {sleeps_s}}}"
    return subprocess.Popen(
        [str(BIN / "seminas-search"), *OVERRIDES, arguments, f"hydra.run.dir={name}"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def epochs(folder: Path, name: str) -> list[str]:
    """Return the epochs that were begun, each with its width, in order."""
    path = folder / f"{name}.log"
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.campaign
@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_killed_search_goes_on_from_the_checkpoint_and_ends_the_same(tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests" / "own_nets.py", tmp_path)
    process = started(tmp_path, "killed", 0.3)
    deadline = time.monotonic() + 120
    while len(epochs(tmp_path, "killed")) < EPOCHS + 3:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    begun = epochs(tmp_path, "killed")
    assert len(begun) == EPOCHS + 3 and len(read_history(tmp_path / "killed")) == 1
    for name in ("killed", "whole"):
        assert started(tmp_path, name, 0.3 if name == "killed" else 0).wait(timeout=200) == 0
    counts = Counter(epochs(tmp_path, "killed"))
    assert set(counts) == {f"{width} {epoch}" for width in WIDTHS for epoch in range(EPOCHS)}
    # Only the epoch that the kill ended was trained again.
    assert [epoch for epoch, number in counts.items() if number > 1] in ([], begun[-1:])
    values = [[(r.key, r.value) for r in read_history(tmp_path / name)] for name in ("killed", "whole")]
    assert values[0] == values[1] and len(values[0]) == 5
