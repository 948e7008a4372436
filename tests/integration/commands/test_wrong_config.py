"""Test that a wrong config gives one line with the key, the value and the allowed values, before any computation."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from seminas.commands import search
from seminas.config.messages import one_line
from seminas.errors import UserError
from seminas.runs.folder import RunFolder
from support import command

Configure = Callable[..., dict[str, Any]]
SPACES = "mobilenet, mobilenet_small, nasbench101, nasbench201, nasbench_macro, sequence, tts"
STRATEGIES = "bananas, evolution, gaussian_process, local_search, nao, random, seminas, seminas_evolution"
SEMINAS = "_target_, better, favorites, improvement, max_steps, num_seeds, overgenerate, pool, raw_gradient"
TWO = "space=sequence space.positions={a:{low:1,high:3},b:[1,2]}"
WRONG = {
    # Options of a group.
    "space=nasbench102": f"space=nasbench102: must be one of {SPACES}",
    "strategy=annealing": f"strategy=annealing: must be one of {STRATEGIES}",
    "logger=[nowhere]": "logger=nowhere: must be one of csv, mlflow, tensorboard, wandb",
    # Keys.
    "search.num_labelled=5": "search.num_labelled: is unknown; did you mean search.num_labeled?",
    "+strategy.temperature=1": f"strategy.temperature: is unknown; strategy has {SEMINAS}, sources, step_size, "
    "transfer_first, transfer_from, transfer_model",
    "++search.num_labelled=5": "search.num_labelled: is unknown; did you mean search.num_labeled?",
    "serach.num_labeled=5": "serach: is unknown; did you mean search?",
    # Keys of version 0.1.
    "controller.hidden=16": "controller.hidden: is unknown; it is controller.encoder.hidden since version 0.2",
    "controller.encoder=lstm": "controller.encoder: is unknown; it is controller.encoder.kind since version 0.2",
    "controller.targets=tail": "controller.targets: is unknown; it is controller.targets.kind since version 0.2",
    "strategy.controller.hidden=16": "strategy.controller: is unknown; it is controller since version 0.2",
    "strategy.pseudo_label_ratio=5": (
        "strategy.pseudo_label_ratio: is unknown; it is search.pseudo_label_ratio since version 0.2"
    ),
    # Positions of a space, which another override changes.
    f"{TWO} space.positions.b={{low:1}}": "space.positions.b={low:1}: has another form than in the config; "
    "~space.positions.b and +space.positions.b=VALUE replace the position",
    f"{TWO} space.positions.a=[1,2]": "space.positions.a=[1,2]: has another form than in the config; "
    "~space.positions.a and +space.positions.a=VALUE replace the position",
    f"{TWO} space.positions={{b:{{low:1}}}}": "space.positions={b:{low:1}}: has another form than in the config; "
    "~space.positions.NAME and +space.positions.NAME=VALUE replace the position",
    f"{TWO} space.positions.c=[1,2]": "space.positions.c: is unknown; space.positions has a, b; "
    "+space.positions.c=VALUE adds it",
    f"{TWO} space.positions.a.bins=3": "space.positions.a.bins: is unknown; space.positions.a has high, low; "
    "+space.positions.a.bins=VALUE adds it, ~space.positions.a and +space.positions.a=VALUE replace the position",
    # Types.
    "search.num_labeled=many": "search.num_labeled=many: must be a whole number",
    "search.num_labeled=2.5": "search.num_labeled=2.5: must be a whole number",
    "search.num_labeled=[1,2]": "search.num_labeled=[1,2]: must be a whole number",
    "controller.encoder.hidden=wide": "controller.encoder.hidden=wide: must be a whole number",
    "controller.encoder.dropout=much": "controller.encoder.dropout=much: must be a number",
    "controller.head.widths=5": "controller.head.widths=5: must be a list",
    "controller.warm_start=5.5": "controller.warm_start=5.5: must be true or false",
    "seed=null": "seed: must be set, and not null",
    # Bounds.
    "seed=-1": "seed=-1: must be at least 0",
    "search.num_labeled=1": "search.num_labeled=1: must be at least 2",
    "search.pseudo_label_ratio=-1": "search.pseudo_label_ratio=-1.0: must be at least 0",
    "strategy.step_size=nan": "strategy.step_size=nan: must be finite and above 0",
    "controller.encoder.dropout=1": "controller.encoder.dropout=1.0: must be at least 0 and below 1",
    "controller.head.widths=[0]": "controller.head.widths=[0]: must be at least 1",
    "evaluator.repeat=best": "evaluator.repeat=best: must be one of random, mean",
    "controller.encoder.kind=cnn": "controller.encoder.kind=cnn: must be one of graph, lstm, paper",
    "evaluator.path=???": "evaluator.path: must be set",
    # Contradictions.
    "controller.encoder.kind=paper": (
        "controller.teachers.members=5: must be 1 with controller.encoder.kind=paper"
    ),
    "strategy=nao search.pseudo_label_ratio=5": (
        "search.pseudo_label_ratio=5.0: must be 0 or null with strategy=nao"
    ),
    "search.num_labeled=30 search.max_queries=20": ("search.num_labeled=30: is above search.max_queries=20"),
    # Targets.
    "space._target_=nowhere.Space": (
        "space._target_=nowhere.Space: cannot be imported (No module named 'nowhere'); "
        "PYTHONPATH must name its folder"
    ),
    "space._target_=shutil.copyfile": "space._target_=shutil.copyfile: is no SearchSpace",
    # Tables.
    "search.num_labeled=2001": "search.num_labeled=2001: must be at most the 2000 candidates",
    "evaluator.val=nowhere": "evaluator.val=nowhere: must be a column of accuracy: val, test",
    "evaluator.path=missing.npz": "evaluator.path=missing.npz: must be a file, or digits101",
    "evaluator.path=short.npz": "short.npz: is no packed table, or a damaged one; see seminas data import",
    "evaluator.path=foreign.npz": "foreign.npz: is no packed table; see seminas data import",
    "space=nasbench201": "small.npz: is a table of space nasbench101, not of nasbench201; choose its space",
}


@pytest.mark.parametrize("overrides", WRONG)
def test_one_line_and_no_folder(
    configure: Configure, small_table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overrides: str
) -> None:
    monkeypatch.chdir(tmp_path)
    table = tmp_path / "small.npz"
    table.symlink_to(small_table)
    if "short.npz" in overrides:
        (tmp_path / "short.npz").write_bytes(table.read_bytes()[:5_000])
    if "foreign.npz" in overrides:
        np.savez(tmp_path / "foreign.npz", accuracy=np.zeros(5))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises((UserError, HydraException, OmegaConfBaseException)) as raised:
        config = configure("search", "evaluator=table", "evaluator.path=small.npz", *overrides.split())
        search.run(config, RunFolder(tmp_path / "run"), quiet=True)
    assert one_line(raised.value) == WRONG[overrides]
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "overrides",
    # These errors are found when Hydra composes the config, before the folder is made, and after that.
    [
        "space=nasbench102",
        "search.num_labeled=1",
        pytest.param("evaluator.path=missing.npz", marks=pytest.mark.long),
    ],
)
def test_the_command_says_it_and_ends_with_status_2(
    small_table: Path, tmp_path: Path, overrides: str
) -> None:
    done = command(
        "seminas-search", "evaluator=table", f"evaluator.path={small_table}", overrides, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (2, f"error: {WRONG[overrides]}\n")
    assert list(tmp_path.iterdir()) == []


def test_a_table_must_be_named(tmp_path: Path) -> None:
    done = command("seminas-search", "evaluator=table", cwd=tmp_path)
    assert done.returncode == 2 and done.stderr == "error: evaluator.path: must be set\n"
    assert list(tmp_path.iterdir()) == []
