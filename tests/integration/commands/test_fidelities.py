"""Searches with fidelities on a table: costs, limits, the final choice, and a continued search."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fidelity_table import RISE, cut, search, write_table
from seminas.commands.main import app
from seminas.errors import UserError
from seminas.runs.records import Record, read_history
from seminas.spaces.nasbench201 import NASBench201
from seminas.tables.csv_import import import_csv
from seminas.tables.table import read_table
from seminas.transfer.sources import read_sources

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a packed table with fidelities."""
    return write_table(tmp_path_factory.mktemp("table"))


def test_a_table_keeps_its_fidelities(table: Path):
    fidelities = read_table(table).fidelities
    assert list(fidelities) == [1, 3, 9]
    assert fidelities[9] is read_table(table).column("val") or len(fidelities[9].at()) == 300


def test_accuracies_after_fewer_epochs_of_the_same_table_are_no_other_task(table: Path, tmp_path: Path):
    with pytest.raises(UserError, match="the search's own"):
        search(table, tmp_path, "strategy=gaussian_process", f"strategy.transfer_from=[{table}:val@1]")


def test_a_column_and_a_fidelity_have_names_of_their_own(table: Path):
    columns = {1: ["e1"], 9: ["e9"]}
    with pytest.raises(UserError, match="--column=val@1: is a column of --fidelity"):
        import_csv(
            table.with_name("cells.csv"), NASBench201(), ["e9"], further={"val@1": ["e3"]}, fidelities=columns
        )


@pytest.mark.parametrize(
    ("fidelity", "strategy"),
    [("halving", "evolution"), ("hyperband", "random"), ("controller", "random")],
)
def test_costs_are_counted_once_and_the_best_is_a_full_training(
    table: Path, tmp_path: Path, fidelity: str, strategy: str
):
    more = [f"fidelity={fidelity}", f"strategy={strategy}", "search.max_cost=10", "evaluator.num_workers=3"]
    result = search(table, tmp_path, *more)
    records = read_history(tmp_path)
    assert result.ended_by == "max_cost" and result.total_cost == pytest.approx(sum(r.cost for r in records))
    assert 9 <= result.total_cost <= 10 + 1e-9
    assert result.cost_s == pytest.approx(90 * result.total_cost)
    full = [r.value for r in records if r.epochs == 9]
    assert result.best_value == max(full) < max(r.value for r in records)
    assert all(bool(r.partial) == (r.epochs < 9) for r in records)
    epochs: dict[str, int] = {}
    for record in sorted(records, key=lambda r: r.number):
        assert record.epochs > epochs.get(record.key, 0)
        assert record.cost == pytest.approx((record.epochs - epochs.get(record.key, 0)) / 9)
        epochs[record.key] = record.epochs


@pytest.mark.parametrize(
    ("fidelity", "strategy", "cut_at"),
    [
        ("halving", "evolution", 7),
        *(pytest.param("halving", "evolution", cut, marks=pytest.mark.long) for cut in (1, 20, 33)),
        ("controller", "random", 20),
        pytest.param("controller", "random", 7, marks=pytest.mark.long),
    ],
)
def test_a_killed_search_goes_on_to_the_same_history(
    table: Path, tmp_path: Path, fidelity: str, strategy: str, cut_at: int
):
    more = [f"fidelity={fidelity}", f"strategy={strategy}", "search.max_cost=8", "evaluator.num_workers=2"]
    more += ["fidelity.improvement=0.7"] if fidelity == "controller" else []
    search(table, tmp_path / "whole", *more)
    search(table, tmp_path / "killed", *more)
    killed = tmp_path / "killed"
    cut(killed, cut_at)
    search(table, killed, *more)
    for name in ("history.jsonl", "asked.jsonl"):
        assert (killed / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_larger_cost_continues_a_finished_search(table: Path, tmp_path: Path):
    more = ["fidelity=halving", "strategy=random"]
    search(table, tmp_path, *more, "search.max_cost=4")
    first = (tmp_path / "history.jsonl").read_bytes()
    result = search(table, tmp_path, *more, "search.max_cost=6")
    assert (tmp_path / "history.jsonl").read_bytes().startswith(first)
    assert 5 < result.total_cost <= 6 + 1e-9


def test_a_cost_without_fidelities_is_a_number_of_evaluations(table: Path, tmp_path: Path):
    result = search(table, tmp_path, "strategy=random", "search.max_cost=7")
    assert result.num_queries == 7 and result.total_cost is None
    assert "cost" not in json.loads((tmp_path / "history.jsonl").read_text().splitlines()[0])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["fidelity=halving", "search.asynchronous=false"], "search.asynchronous=False: must be"),
        (["fidelity=halving", "controller.warm_start=true"], "controller.warm_start=True: must be false"),
        (["fidelity=halving", "fidelity.epochs=[2,9]"], "fidelity.epochs="),
        (["fidelity=halving", "fidelity.epochs=[9,1]"], "fidelity.epochs="),
        (["fidelity=controller", "fidelity.begin=2"], "fidelity.begin=2: must be one of [1, 3, 9]"),
        (
            ["fidelity=halving", "evaluator.path=digits101", "space=nasbench101"],
            "fidelity=halving: must be none",
        ),
        (["search.max_cost=0"], "search.max_cost=0"),
    ],
)
def test_wrong_input_is_one_line_before_a_folder_is_made(table: Path, tmp_path: Path, more, message: str):
    with pytest.raises(UserError, match="^" + message.replace("[", r"\[").replace(".", r"\.")) as error:
        search(table, tmp_path / "run", *more)
    assert "\n" not in str(error.value) and not (tmp_path / "run" / "history.jsonl").exists()


@pytest.mark.long
def test_a_report_and_a_transfer_read_the_full_trainings_alone(table: Path, tmp_path: Path):
    """The search with halving ends its first full training late, so its curve begins late."""
    for fidelity in ("none", "halving", "controller"):
        more = [f"fidelity={fidelity}", "strategy=random", "search.max_cost=10", "evaluator.num_workers=3"]
        search(table, tmp_path / "runs" / fidelity, *more)
    done = CliRunner().invoke(app, ["report", str(tmp_path / "runs"), "--out", str(tmp_path / "page")])
    assert done.exit_code == 0, done.output
    page = (tmp_path / "page" / "report.html").read_text()
    assert "fidelity none" in page and "fidelity halving" in page and "fidelity controller" in page
    assert "at equal cost, in full trainings" in page and re.search(r"after (9\.\d|10\.0)", page)
    assert list((tmp_path / "page" / "figures").glob("*curves-over-trainings*"))
    history = read_history(tmp_path / "runs" / "halving")
    full = [record.final for record in history if record.final is not None]
    assert 2 <= len(full) < len(history)
    (source,) = read_sources([str(tmp_path / "runs" / "halving")], NASBench201(), None)
    assert sorted(source.scores) == sorted(full)


def test_a_search_without_a_full_training_says_so(table: Path, tmp_path: Path):
    with pytest.raises(UserError, match="no full training has ended; the same command goes on with a larger"):
        search(table, tmp_path / "run", "fidelity=halving", "strategy=random", "search.max_cost=1")


@pytest.mark.parametrize("fidelity", ["halving", pytest.param("hyperband", marks=pytest.mark.long)])
def test_an_evaluator_that_measures_again_has_fidelities_in_rounds(
    table: Path, tmp_path: Path, fidelity: str
):
    """A kill in a round loses nothing, and the last values of all evaluations are of the last round."""
    more = [f"fidelity={fidelity}", "strategy=evolution", "evaluator=drifting", "search.max_cost=6"]
    more += ["search.num_labeled=9", "search.num_new=6", "search.objectives=[val_accuracy,parameters]"]
    result = search(table, tmp_path / "whole", *more)
    records = read_history(tmp_path / "whole")
    assert result.ended_by in ("max_cost", "max_queries") and result.total_cost <= 6
    assert {record.epochs for record in records} == {1, 3, 9}
    reached: dict[str, int] = {}
    rounds: dict[str, int] = {}
    for record in records:
        assert record.epochs > reached.get(record.key, 0)
        # A promotion follows a round in which its architecture was measured.
        assert (record.origin == "promotion") == (record.key in reached)
        assert record.round > rounds.get(record.key, -1)
        reached[record.key], rounds[record.key] = record.epochs, record.round
    assert result.best_value == max(record.value for record in records if record.epochs == 9)
    lines = (tmp_path / "whole" / "history.jsonl").read_text().splitlines()
    first = [json.loads(line)["val_accuracy"] for line in lines]
    rises = [record.value - value for record, value in zip(records, first, strict=True)]
    assert rises == pytest.approx([RISE] * len(records))
    for killed_at in (17,):
        with pytest.raises(KeyboardInterrupt):
            search(table, tmp_path / f"{killed_at}", *more, f"evaluator.killed_at={killed_at}")
        assert len(read_history(tmp_path / f"{killed_at}")) == killed_at - 1
        config = tmp_path / f"{killed_at}" / "config.yaml"
        config.write_text(config.read_text().replace(f"killed_at: {killed_at}", "killed_at: 0"))
        search(table, tmp_path / f"{killed_at}", *more)
        again = read_history(tmp_path / f"{killed_at}")
        assert [plain(r) for r in again] == [plain(r) for r in records]


def plain(record: Record) -> tuple:
    return record.index, record.round, record.key, record.epochs, record.value, record.cost, record.origin
