import csv
import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seminas.config.evaluators import TableSettings
from seminas.errors import UserError
from seminas.evaluators.table import TableEvaluator
from seminas.spaces.nasbench101 import NASBench101
from seminas.spaces.sequence import SequenceSpace
from seminas.tables.csv_import import import_csv
from seminas.tables.table import accuracy_column, load_table, save_table
from support import made_up_table

ROWS = [
    {"adjacency": "1", "ops": "", "val": "0.8", "test": "0.7", "s": "10"},
    {"adjacency": "101", "ops": "conv3x3-bn-relu", "val": "0.9", "test": "0.88", "s": "20"},
]


def write_csv(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_the_shared_sample_is_imported_packed_and_loaded(
    space: NASBench101, nasbench101_sample: Path, tmp_path: Path
) -> None:
    table = import_csv(nasbench101_sample, space, ["val_acc_108ep"], cost=["training_time_s"])
    assert len(table) == 13_299
    save_table(table, tmp_path / "table.npz")
    loaded = load_table(tmp_path / "table.npz", space)
    for name, column in table.columns.items():
        np.testing.assert_array_equal(loaded.columns[name].stored, column.stored)
    with gzip.open(nasbench101_sample, "rt") as file:
        rows = list(csv.DictReader(file))[:300]
    by_key = {row["hash"]: row for row in rows}
    evaluator = TableEvaluator(space, 0, TableSettings(path=str(tmp_path / "table.npz")))
    cells = space.at(loaded.index[:2_000])
    checked = 0
    for cell, (_, evaluation) in zip(cells, evaluator.evaluate(cells), strict=True):
        if row := by_key.get(space.key(cell)):
            assert evaluation.val_accuracy == float(row["val_acc_108ep"])
            assert evaluation.cost_s == pytest.approx(float(row["training_time_s"]))
            checked += 1
    assert checked > 5 and evaluator.test(cells[0]) is None


def test_percent_and_test_accuracy(space: NASBench101, tmp_path: Path) -> None:
    rows = [
        {**row, "val": f"{100 * float(row['val'])}", "test": f"{100 * float(row['test'])}"} for row in ROWS
    ]
    table = import_csv(write_csv(tmp_path / "a.csv", rows), space, ["val"], ["test"], scale="percent")
    save_table(table, tmp_path / "a.npz")
    evaluator = TableEvaluator(space, 0, TableSettings(path=str(tmp_path / "a.npz")))
    cells = space.at(evaluator.members())  # type: ignore[arg-type]
    assert [e.val_accuracy for _, e in evaluator.evaluate(cells)] == pytest.approx([0.8, 0.9])
    assert evaluator.test(cells[1]) == pytest.approx(0.88)


def test_a_cell_with_useless_vertices_is_pruned(space: NASBench101, tmp_path: Path) -> None:
    rows = [{**ROWS[0], "adjacency": "011", "ops": "maxpool3x3"}]
    table = import_csv(write_csv(tmp_path / "a.csv", rows), space, ["val"])
    assert space.at(table.index)[0].num_vertices == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"val": "1.2"}, "line 3: val=1.2: is no accuracy between 0 and 1"),
        ({"val": "nan"}, "line 3: val=nan"),
        ({"val": ""}, "line 3: val=: is no number"),
        ({"adjacency": "10"}, "line 3: adjacency '10'"),
        ({"adjacency": "102"}, "line 3: adjacency '102'"),
        ({"adjacency": "100"}, "line 3: no path"),
        ({"ops": "conv5x5"}, "line 3: operations must be"),
        ({"ops": ""}, "line 3: operations must be"),
        ({"s": "-1"}, "line 3: s=-1"),
        ({"adjacency": "1", "ops": ""}, "line 3: the same architecture as line 2"),
    ],
)
def test_a_bad_row_is_refused_with_its_line(
    space: NASBench101, tmp_path: Path, change: dict[str, str], message: str
) -> None:
    path = write_csv(tmp_path / "a.csv", [ROWS[0], {**ROWS[1], **change}])
    with pytest.raises(UserError) as error:
        import_csv(path, space, ["val"], ["test"], ["s"])
    assert f"{path}: {message}" in str(error.value)


def test_a_missing_column_is_named(space: NASBench101, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", ROWS)
    with pytest.raises(UserError, match="has no column 'accuracy', its columns are adjacency, ops, val"):
        import_csv(path, space, ["accuracy"])


@pytest.mark.parametrize("where", [0.02, 0.3, 0.6, 0.98])
def test_a_changed_byte_or_a_missing_end_is_noticed(space: NASBench101, tmp_path: Path, where: float) -> None:
    path = tmp_path / "table.npz"
    save_table(made_up_table(space, 500), path)
    data = bytearray(path.read_bytes())
    (tmp_path / "short.npz").write_bytes(data[: int(len(data) * where)])
    with pytest.raises(UserError, match=r"short.npz: "):
        load_table(tmp_path / "short.npz", space)
    for at in range(int(len(data) * where), int(len(data) * where) + 20):
        data[at] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"table.npz: "):
        load_table(path, space)


def test_changed_values_are_noticed_though_the_file_is_whole(space: NASBench101, tmp_path: Path) -> None:
    path = tmp_path / "table.npz"
    save_table(made_up_table(space, 500), path)
    with np.load(path) as file:
        arrays = dict(file)
    arrays["c0"][0] += 1
    np.savez(path, **arrays)
    with pytest.raises(UserError, match="SHA-256"):
        load_table(path, space)


def test_foreign_files_and_spaces_are_refused(space: NASBench101, tmp_path: Path) -> None:
    np.savez(tmp_path / "foreign.npz", a=np.zeros(3))
    np.savez(tmp_path / "pickle.npz", about=np.array([{"format": "seminas-table"}]))
    (tmp_path / "text.npz").write_text("hash,accuracy\n")
    table = made_up_table(space, 10)
    save_table(replace(table, space="other"), tmp_path / "other.npz")
    save_table(replace(table, fingerprint="0" * 64), tmp_path / "old.npz")
    for name in ("foreign", "pickle", "text", "other", "old", "missing"):
        with pytest.raises(UserError, match=f"{name}.npz: "):
            load_table(tmp_path / f"{name}.npz", space)


def test_a_search_sees_one_run_or_the_mean(space: NASBench101, small_table: Path) -> None:
    table = load_table(small_table, space)
    cells = space.at(table.index)
    seen = TableEvaluator(space, 0, TableSettings(path=str(small_table))).val_accuracies(cells)
    again = TableEvaluator(space, 0, TableSettings(path=str(small_table))).val_accuracies(cells[::-1])[::-1]
    other = TableEvaluator(space, 1, TableSettings(path=str(small_table))).val_accuracies(cells)
    np.testing.assert_array_equal(seen, again)
    runs = table.columns["val"].at()
    assert ((seen == runs[:, 0]) | (seen == runs[:, 1])).all()
    assert 0.3 < (seen == runs[:, 0]).mean() < 0.7 and (seen != other).any()
    mean = TableEvaluator(space, 0, TableSettings(path=str(small_table), repeat="mean")).val_accuracies(cells)
    np.testing.assert_allclose(mean, runs.mean(axis=1))
    # The config can choose another validation column and another test column.
    reported = TableEvaluator(space, 0, TableSettings(path=str(small_table), val="test")).val_accuracies(
        cells
    )
    np.testing.assert_allclose(reported, table.columns["test"].at()[:, 0])
    for role in ("val", "test", "seconds"):
        with pytest.raises(UserError, match=rf"evaluator.{role}=loss: must be a column of"):
            TableEvaluator(space, 0, TableSettings(path=str(small_table), **{role: "loss"}))  # type: ignore[arg-type]


@pytest.mark.parametrize("images", [450, 9_984, 10_000, 50_000])
def test_accuracies_are_stored_as_counts_of_images(images: int) -> None:
    counts = np.random.default_rng(0).integers(0, images + 1, (500, 3))
    for values in ((counts / images), (counts / images).astype(np.float32)):
        column = accuracy_column(values)
        assert column.divisor == images and column.stored.dtype == np.uint16
        np.testing.assert_allclose(column.at(), counts / images, atol=1e-12)


def test_other_accuracies_are_given_back_as_they_are() -> None:
    rng = np.random.default_rng(0)
    decimals = np.round(rng.random((500, 1)), 6)
    np.testing.assert_array_equal(accuracy_column(decimals).at(), decimals)
    anything = rng.random((500, 2))
    np.testing.assert_allclose(accuracy_column(anything).at(), anything, atol=1e-12)
    assert accuracy_column(np.array([[0.0], [1.0]])).at().tolist() == [[0.0], [1.0]]


def test_percent_and_fraction_are_not_mixed_up(space: NASBench101, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", ROWS)
    with pytest.raises(UserError, match="--scale=percent: no validation accuracy is above 1"):
        import_csv(path, space, ["val"], scale="percent")
    with pytest.raises(UserError, match="--scale=share"):
        import_csv(path, space, ["val"], scale="share")


def test_further_columns_become_fidelities(space: NASBench101, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", ROWS)
    table = import_csv(path, space, ["val"], further={"late": ["test", "val"]})
    assert table.columns["late"].num_runs == 2 and table.defaults == {"val": "val"}
    assert table.columns["late"].at()[1].tolist() == [0.88, 0.9]
    with pytest.raises(UserError, match="--column=val"):
        import_csv(path, space, ["val"], further={"val": ["test"]})


def test_any_numbered_space_is_imported(tmp_path: Path) -> None:
    """Import a table of the user's own configurations. Their space is declared in a few lines."""
    own = SequenceSpace("own", {"depth": [2, 4], "width": [16, 32]})
    rows = [{"depth": str(d), "width": str(w), "acc": str(0.5 + d / 10)} for d in (2, 4) for w in (16, 32)]
    table = import_csv(write_csv(tmp_path / "a.csv", rows), own, ["acc"])
    assert len(table) == 4 and table.columns["val"].at()[:, 0].tolist() == [0.7, 0.7, 0.9, 0.9]
    with pytest.raises(UserError, match="line 3: width=64: must be one of 16, 32"):
        import_csv(write_csv(tmp_path / "b.csv", [rows[0], {**rows[1], "width": "64"}]), own, ["acc"])
    with pytest.raises(UserError, match="needs columns depth, width or arch or architecture, not acc"):
        import_csv(write_csv(tmp_path / "c.csv", [{"acc": "1"}]), own, ["acc"])


@pytest.mark.parametrize(("separator", "point"), [(",", "."), (";", "."), (";", ","), ("\t", ".")])
def test_columns_may_be_separated_otherwise(tmp_path: Path, separator: str, point: str) -> None:
    """As spreadsheets write them, with a mark of their encoding at the start."""
    own = SequenceSpace("own", {"depth": [2, 4], "width": [16, 32]})
    rows = [
        ["depth", "width", "acc", "seconds"],
        ["2", "16", f"0{point}5", f"1{point}5"],
        ["4", "32", f"0{point}75", "3"],
    ]
    path = tmp_path / "a.csv"
    path.write_text("\ufeff" + "".join(separator.join(row) + "\r\n" for row in rows))
    table = import_csv(path, own, ["acc"], cost=["seconds"])
    assert table.columns["val"].at()[:, 0].tolist() == [0.5, 0.75]
    assert table.columns["cost"].at()[:, 0].tolist() == [1.5, 3.0]
    assert table.origin["separator"] == separator


def test_progress_of_an_import_ends_with_all_of_the_file(tmp_path: Path) -> None:
    own = SequenceSpace("own", {str(i): range(10) for i in range(4)})
    rows = [{"arch": f"{i:04}", "acc": "0.5"} for i in range(10_000)]
    told: list[tuple[int, int]] = []
    table = import_csv(write_csv(tmp_path / "a.csv", rows), own, ["acc"], progress=lambda *n: told.append(n))
    assert len(table) == 10_000
    assert [done for done, _ in told] == sorted(done for done, _ in told) and len(told) == 3
    assert told[-1][0] == told[-1][1] and 0 < told[0][0] < told[0][1]
