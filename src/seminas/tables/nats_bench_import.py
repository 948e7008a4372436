"""Import of NAS-Bench-201 from NATS-Bench's folder ``NATS-tss-v1_0-3ffb9-simple`` (Dong et al., TPAMI 2021).

The files of the folder are pickles, and a pickle can execute any code. So the files are read only if the user says that
the folder is trusted. The benchmark's own package (extra ``nats``) reads them. The packed table holds only numbers.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from seminas.errors import UserError, first_line
from seminas.spaces.nasbench201.space import NASBench201
from seminas.tables.table import Column, Table, accuracy_column, seconds_column

LICENCE = "MIT (https://github.com/D-X-Y/NATS-Bench)"
EPOCHS = (12, 200)
DATASETS = {"cifar10": "cifar10-valid", "cifar100": "cifar100", "imagenet16": "ImageNet16-120"}
"""Name of each data set in the table's columns, and the benchmark's name of the data set.

The benchmark's name selects trainings with separate validation images.
"""


def import_folder(
    path: Path, space: NASBench201, progress: Callable[[int, int], None] | None = None
) -> Table:
    """Return the table of the folder, with accuracies and seconds for 12 and 200 epochs.

    The accuracies are means over the benchmark's runs. By default, a search reads ``cifar10_val_12ep`` and reports
    ``cifar10_test_200ep``, like the benchmark's authors.

    Args:
        path: Path of the folder. It must be trusted, because reading the files can execute code in them.
        space: Space of NAS-Bench-201.
        progress: Function called with the number of cells read so far and the number of all cells.

    Raises:
        UserError: The package is missing, or the folder is not the folder of the benchmark.
    """
    try:
        from nats_bench import create
    except ImportError as error:
        raise UserError("the nats_bench package is needed: pip install 'seminas[nats]'") from error
    try:
        api = create(str(path), "tss", fast_mode=True, verbose=False)
        cells = [space.parse(text) for text in api.meta_archs]
        rows = []
        for i in range(len(cells)):
            rows.append(_measures(api, i))
            api.arch2infos_dict.clear()  # Otherwise the dictionary would keep all cells in memory.
            if progress is not None:
                progress(i + 1, len(cells))
    except Exception as error:
        raise UserError(f"{path}: is no folder NATS-tss-v1_0-3ffb9-simple ({first_line(error)})") from error
    index = space.index(cells)
    order = np.argsort(index)
    columns: dict[str, Column] = {}
    for name in rows[0]:
        values = np.array([row[name] for row in rows])[order, None]
        columns[name] = seconds_column(values) if "seconds" in name else accuracy_column(values / 100)
    defaults = {"val": "cifar10_val_12ep", "test": "cifar10_test_200ep", "cost": "cifar10_seconds_12ep"}
    origin = {"file": path.name, "licence": LICENCE}
    return Table(space.name, space.fingerprint(), index[order], columns, defaults, origin)


def _measures(api: Any, index: int) -> dict[str, float]:
    """Return the accuracies of a cell in percent, and its training times in seconds, by column name."""
    measures = {}
    for name, with_validation in DATASETS.items():
        for epochs in EPOCHS:
            split = api.get_more_info(index, with_validation, hp=str(epochs), is_random=False)
            measures[f"{name}_val_{epochs}ep"] = split["valid-accuracy"]
            measures[f"{name}_seconds_{epochs}ep"] = split["train-all-time"] + split["valid-per-time"]
            if name == "cifar10":  # Its test accuracies come from trainings on all 50,000 images.
                split = api.get_more_info(index, name, hp=str(epochs), is_random=False)
            measures[f"{name}_test_{epochs}ep"] = split["test-accuracy"]
    return measures
