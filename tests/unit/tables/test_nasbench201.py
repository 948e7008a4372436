"""Test tables of NAS-Bench-201: the shared CSV file, and the official folder format."""

import bz2
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from seminas.commands.main import app
from seminas.commands.search import run
from seminas.errors import UserError
from seminas.runs.folder import RunFolder
from seminas.spaces.nasbench201.space import NASBench201
from seminas.tables.csv_import import import_csv
from seminas.tables.nats_bench_import import DATASETS, import_folder
from seminas.tables.table import Table, load_table, save_table
from support import DATA


@pytest.fixture(scope="module")
def cells() -> NASBench201:
    return NASBench201()


@pytest.fixture(scope="module")
def table(cells: NASBench201) -> Table:
    path = DATA / "nasbench201_cifar.csv.gz"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return import_csv(
        path,
        cells,
        ["cifar10_val_12ep"],
        ["cifar10_test_200ep"],
        further={"c100_val": ["cifar100_val_12ep"], "c100_test": ["cifar100_test_200ep"]},
        scale="percent",
    )


def test_the_whole_space_is_there_with_the_published_maxima(table: Table, cells: NASBench201) -> None:
    assert len(table) == cells.size
    best = {name: table.columns[name].at().max() for name in ("test", "c100_test")}
    assert best["test"] == pytest.approx(0.9437, abs=5e-5) and best["c100_test"] == pytest.approx(
        0.7351, abs=5e-5
    )
    # The benchmark's authors report these results of an ideal search by the 12-epoch validation accuracy.
    for val, test, ideal in (("val", "test", 0.9437), ("c100_val", "c100_test", 0.7228)):
        chosen = table.columns[val].at()[:, 0].argmax()
        assert table.columns[test].at()[chosen, 0] == pytest.approx(ideal, abs=5e-5)


def test_random_search_ends_where_it_was_measured_outside(table: Table, tmp_path: Path) -> None:
    """Check for 93.8 ± 0.3 over 100 seeds of 100 queries. The test draws the same cells as ``strategy=random``."""
    val, test = table.columns["val"].at()[:, 0], table.columns["test"].at()[:, 0]
    ends = []
    for seed in range(100):
        drawn = np.random.default_rng([seed, 0]).choice(len(table), 100, replace=False)
        ends.append(100 * test[drawn[val[drawn].argmax()]])
    assert np.mean(ends) == pytest.approx(93.8, abs=0.15) and np.std(ends) == pytest.approx(0.3, abs=0.1)


def test_a_search_on_one_column_reports_another(
    table: Table, tmp_path: Path, cells: NASBench201, configure: Callable[..., dict[str, Any]]
) -> None:
    save_table(table, tmp_path / "t.npz")
    config = configure(
        "search", "space=nasbench201", "evaluator=table", f"evaluator.path={tmp_path / 't.npz'}",
        "strategy=random", "evaluator.val=c100_val", "evaluator.test=c100_test", "search.max_queries=50",
    )  # fmt: skip
    run(config, RunFolder(tmp_path / "run"))
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    row = cells.index([cells.parse(result["best_architecture"])])
    assert result["best_val_accuracy"] == table.columns["c100_val"].at(row)[0, 0]
    assert result["test_accuracy"] == table.columns["c100_test"].at(row)[0, 0]
    assert (tmp_path / "run" / "best_architecture.png").exists()


def made_folder(folder: Path, strings: list[str]) -> None:
    """Write a folder in the format of NATS-tss-v1_0-3ffb9-simple, with the benchmark's own classes."""
    api = pytest.importorskip("nats_bench.api_utils")
    folder.mkdir()

    def save(name: str, value: object) -> None:
        with bz2.open(folder / f"{name}.pickle.pbz2", "wb") as file:
            pickle.dump(value, file)

    save("meta", {"meta_archs": strings, "total_archs": len(strings)})
    for i, text in enumerate(strings):
        by_epochs = {}
        for epochs in ("12", "200"):
            results = api.ArchResults(i, text)
            for name in {*DATASETS.values(), "cifar10"}:
                for seed in (777, 888) if epochs == "200" else (777,):
                    last = int(epochs) - 1
                    value = 50.0 + i + (10 if epochs == "200" else 0) + (1 if seed == 888 else 0)
                    accuracy, loss = {last: value}, {last: 0.1}
                    run = api.ResultsCount(name, None, accuracy, loss, 1.0, 1.0, {}, seed, int(epochs), None)
                    run.reset_pseudo_train_times(2.0)
                    sets = {"cifar10-valid": ["x-valid", "ori-test"], "cifar10": ["ori-test"]}
                    for k, split in enumerate(sets.get(name, ["x-valid", "x-test", "ori-test"])):
                        run.update_OLD_eval(split, {last: value + k / 10}, loss)
                        run.reset_pseudo_eval_times(split, 0.5)
                    results.update(name, seed, run)
            by_epochs[epochs] = results.state_dict()
        save(f"{i:06d}", by_epochs)


def test_the_official_folder_is_read_on_the_users_word(cells: NASBench201, tmp_path: Path) -> None:
    strings = [cells.key(a) for a in cells.sample(5, np.random.default_rng(0))]
    made_folder(tmp_path / "simple", strings)
    steps: list[tuple[int, int]] = []
    table = import_folder(tmp_path / "simple", cells, lambda k, n: steps.append((k, n)))
    save_table(table, tmp_path / "t.npz")
    table = load_table(tmp_path / "t.npz", cells)
    assert steps[-1] == (5, 5) and len(table.columns) == 3 * 2 * 3
    for row, cell in enumerate(cells.at(table.index)):
        i = strings.index(cells.key(cell))
        numbers = {name: column.at()[row, 0] for name, column in table.columns.items()}
        assert numbers["cifar10_val_12ep"] == pytest.approx(0.50 + i / 100)
        # The expected value is the mean of two runs. CIFAR-10's test accuracy comes from the training on all images.
        assert numbers["cifar10_test_200ep"] == pytest.approx(0.605 + i / 100)
        assert numbers["cifar100_test_200ep"] == pytest.approx(0.606 + i / 100)
        assert numbers["cifar10_seconds_12ep"] == pytest.approx(12 * 2.0 + 0.5, rel=0.1)
    arguments = [str(tmp_path / "simple"), "-o", str(tmp_path / "u.npz")]
    refused = CliRunner().invoke(app, ["data", "import", "nasbench201", *arguments])
    assert refused.exit_code == 2 and "--trust-pickles" in refused.stderr
    assert not (tmp_path / "u.npz").exists()


def test_another_folder_is_refused(cells: NASBench201, tmp_path: Path) -> None:
    pytest.importorskip("nats_bench")
    with pytest.raises(UserError, match="is no folder NATS-tss"):
        import_folder(tmp_path, cells)
