from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from seminas.config.build import read
from seminas.config.recipe import Recipe
from seminas.evaluators.trial import Trial
from seminas.spaces.cost import count_macs, count_parameters
from seminas.spaces.nasbench101 import NASBench101
from seminas.tables import find_table
from seminas.tables.table import Table, load_table


@pytest.fixture(scope="module")
def table(space: NASBench101) -> Table:
    return load_table(find_table("digits101"), space)


def test_it_holds_every_cell_of_at_most_5_vertices_and_is_small(space: NASBench101, table: Table) -> None:
    assert find_table("digits101").stat().st_size <= 300_000
    vertices = np.array([cell.num_vertices for cell in space.at(np.arange(5_000))])
    assert table.index.tolist() == np.flatnonzero(vertices <= 5).tolist() and len(table) == 2_532
    assert [table.columns[name].num_runs for name in ("val", "test", "cost")] == [3, 3, 3]


@pytest.mark.long
def test_it_says_what_training_says(
    space: NASBench101, table: Table, configure: Callable[..., dict[str, Any]]
) -> None:
    """Compare the table with new trainings. Rounding differs between machines, so accuracies may differ by 0.03."""
    rows = np.array([5, 700, 2_000])
    config = configure("search", "evaluator=training")
    recipe = read(config["data"]["recipe"], "data.recipe", Recipe)
    trial = Trial(space, config["data"]["images"], recipe, 1, "cpu")
    accuracies = [trial.run(cell, ("val", "test"))[0] for cell in space.at(table.index[rows])]
    for split in ("val", "test"):
        trained = np.array([of_cell[split] for of_cell in accuracies])
        assert np.abs(trained - table.columns[split].at(rows)[:, 1]).max() <= 0.03


def test_it_states_what_the_networks_cost(
    space: NASBench101, table: Table, configure: Callable[..., dict[str, Any]]
) -> None:
    skeleton = configure("search", "evaluator=training")["data"]["recipe"]["networks"]["nasbench101"]
    (cell,) = space.at(table.index[[1_234]])
    network = space.build_network(cell, 10, 1, **skeleton)
    row = np.array([1_234])
    assert table.columns["parameters"].at(row)[0, 0] == count_parameters(network)
    assert table.columns["macs"].at(row)[0, 0] == count_macs(network, (1, 8, 8))
