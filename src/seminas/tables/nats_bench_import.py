"""NAS-Bench-201 from NATS-Bench's official folder ``NATS-tss-v1_0-3ffb9-simple`` (Dong et al., TPAMI 2021).

Its files are pickles, which can execute anything: they are only read when the user says that the folder is trusted, and
by the benchmark's own package (extra ``nats``). The packed table that comes out holds numbers alone.
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
"""Our name of each data set, and the benchmark's name of its training with held-out validation images."""


def import_folder(
    path: Path, space: NASBench201, progress: Callable[[int, int], None] | None = None
) -> Table:
    """Read the folder: accuracies at 12 and 200 epochs, the mean over the benchmark's runs, and seconds.

    A search reads ``cifar10_val_12ep`` and reports ``cifar10_test_200ep`` unless told otherwise, as the benchmark's
    authors do.

    Args:
        path: The folder. It is trusted: reading it executes what it holds.
        space: The space.
        progress: Called with the number of cells done and of all.

    Raises:
        UserError: The package is missing, or the folder is not the benchmark's.
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
            api.arch2infos_dict.clear()  # It would keep all of them.
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
    """Accuracies in percent and seconds of a cell."""
    measures = {}
    for name, with_validation in DATASETS.items():
        for epochs in EPOCHS:
            split = api.get_more_info(index, with_validation, hp=str(epochs), is_random=False)
            measures[f"{name}_val_{epochs}ep"] = split["valid-accuracy"]
            measures[f"{name}_seconds_{epochs}ep"] = split["train-all-time"] + split["valid-per-time"]
            if name == "cifar10":  # Its test accuracies are of trainings on all 50,000 images.
                split = api.get_more_info(index, name, hp=str(epochs), is_random=False)
            measures[f"{name}_test_{epochs}ep"] = split["test-accuracy"]
    return measures
