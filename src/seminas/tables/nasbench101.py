"""NAS-Bench-101 from its official TFRecord file (Ying et al., ICML 2019; Apache-2.0), without TensorFlow.

A record is a JSON list of module hash, epochs, adjacency matrix (V · V digits, row by row), operations (joined by
commas) and a base64 message ``ModelMetrics``. Each module has three records for each number of epochs.
"""

import base64
import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory
from numpy.typing import NDArray

from seminas.errors import UserError
from seminas.spaces.nasbench101 import OPERATIONS, NASBench101
from seminas.spaces.nasbench101.cell import INPUT, MAX_VERTICES, OUTPUT, PADDING
from seminas.tables.table import Column, Table, accuracy_column, count_column, seconds_column
from seminas.tables.tfrecord import read_records

URL = "https://storage.googleapis.com/nasbench/"
FILES = {
    "nasbench_only108.tfrecord": "4c39c3936e36a85269881d659e44e61a245babcb72cb374eacacf75d0e5f4fd1",
    "nasbench_full.tfrecord": "3d64db8180fb1b0207212f9032205064312b6907a3bbc81eabea10db2f5c7e9c",
}
"""The official files with their published SHA-256."""
LICENCE = "Apache-2.0 (https://github.com/google-research/nasbench)"
REPEATS = 3
METRICS = ("train", "val", "test", "seconds")
PROTO = {
    "ModelMetrics": [
        ("evaluation_data", 1, "EvaluationData", "repeated"),
        ("trainable_parameters", 2, "int32", "optional"),
        ("total_time", 3, "double", "optional"),
    ],
    "EvaluationData": [
        ("current_epoch", 1, "double", "optional"),
        ("training_time", 2, "double", "optional"),
        ("train_accuracy", 3, "double", "optional"),
        ("validation_accuracy", 4, "double", "optional"),
        ("test_accuracy", 5, "double", "optional"),
        ("checkpoint_path", 6, "string", "optional"),
    ],
}
"""The messages of ``nasbench/proto/model_metrics.proto``: fields with number, type and label (proto2)."""
_BATCH = 8192
_LABEL = {"input": INPUT, "output": OUTPUT, **{name: i for i, name in enumerate(OPERATIONS)}}


def _message_class() -> Any:
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="seminas/model_metrics.proto", package="seminas", syntax="proto2"
    )
    for name, fields in PROTO.items():
        entry = file.message_type.add(name=name)
        for field_name, number, kind, label in fields:
            added = entry.field.add(name=field_name, number=number)
            added.label = getattr(field, f"LABEL_{label.upper()}")
            if kind in PROTO:
                added.type, added.type_name = field.TYPE_MESSAGE, f".seminas.{kind}"
            else:
                added.type = getattr(field, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("seminas.ModelMetrics"))


ModelMetrics: Any = _message_class()


class _Trainings:
    """What the records say, by epochs: ``[cells, repeats]`` for each metric."""

    def __init__(self, num_cells: int) -> None:
        self._num_cells = num_cells
        self.values: dict[int, dict[str, NDArray[np.float32]]] = {}
        self.seen: dict[int, NDArray[np.uint8]] = {}
        self.parameters = np.zeros(num_cells, dtype=np.uint32)

    def add(self, cell: int, epochs: int, metrics: Any) -> None:
        """Write one training down; raises ValueError for a fourth one, or for what is no accuracy."""
        if epochs not in self.seen:
            self.seen[epochs] = np.zeros(self._num_cells, dtype=np.uint8)
            shape = (self._num_cells, REPEATS)
            self.values[epochs] = {name: np.zeros(shape, dtype=np.float32) for name in METRICS}
        repeat = int(self.seen[epochs][cell])
        if repeat == REPEATS:
            raise ValueError(f"a {REPEATS + 1}th training of {epochs} epochs of the same cell")
        end = metrics.evaluation_data[-1]  # After the start and the middle of training.
        accuracies = (end.train_accuracy, end.validation_accuracy, end.test_accuracy)
        if not all(0 <= accuracy <= 1 for accuracy in accuracies):
            raise ValueError(f"accuracies {accuracies} are no fractions")
        values = self.values[epochs]
        for name, value in zip(METRICS, (*accuracies, end.training_time), strict=True):
            values[name][cell, repeat] = value
        self.seen[epochs][cell] = repeat + 1
        self.parameters[cell] = metrics.trainable_parameters


def import_tfrecord(path: Path, space: NASBench101, progress: Callable[[int], None] | None = None) -> Table:
    """Read an official file, or one of the same form that holds part of the space.

    Each number of epochs becomes columns of three runs: ``train_108ep``, ``val_108ep``, ``test_108ep``,
    ``seconds_108ep`` and so on. A search reads those of most epochs unless told otherwise.

    Args:
        path: The file.
        space: The space.
        progress: Called now and then with the bytes read since.

    Raises:
        UserError: A record is damaged or no record of the benchmark, with its number, or trainings are missing.
    """
    trainings = _Trainings(space.size)
    records = enumerate(read_records(path, progress), start=1)
    while batch := list(islice(records, _BATCH)):
        _add(path, space, batch, trainings)
    if not trainings.seen:
        raise UserError(f"{path}: holds no records")
    index = np.flatnonzero(np.any([seen > 0 for seen in trainings.seen.values()], axis=0))
    columns: dict[str, Column] = {}
    for epochs, seen in sorted(trainings.seen.items()):
        short = index[seen[index] < REPEATS]
        if len(short):
            key = space.key(space.at(short[:1])[0])
            few = f"{len(short)} cells have fewer than {REPEATS} trainings of {epochs} epochs"
            raise UserError(f"{path}: {few}, such as {key}")
        for name, values in trainings.values[epochs].items():
            column = seconds_column if name == "seconds" else accuracy_column
            columns[f"{name}_{epochs}ep"] = column(values[index])
    columns["parameters"] = count_column(trainings.parameters[index, None])
    most = max(trainings.seen)
    defaults = {"val": f"val_{most}ep", "test": f"test_{most}ep", "cost": f"seconds_{most}ep"}
    origin = {"file": path.name, "bytes": path.stat().st_size, "licence": LICENCE}
    return Table(space.name, space.fingerprint(), index, columns, defaults, origin)


def _add(path: Path, space: NASBench101, batch: list[tuple[int, bytes]], trainings: _Trainings) -> None:
    """Take in a batch of numbered records."""
    matrices = np.zeros((len(batch), MAX_VERTICES, MAX_VERTICES), dtype=np.uint8)
    labels = np.full((len(batch), MAX_VERTICES), PADDING, dtype=np.int8)
    parsed = []
    for i, (number, data) in enumerate(batch):
        try:
            _, epochs, bits, operations, metrics = json.loads(data)
            names = [_LABEL[name] for name in operations.split(",")]
            v = len(names)
            matrices[i, :v, :v] = np.frombuffer(bits.encode(), dtype=np.uint8).reshape(v, v) - ord("0")
            labels[i, :v] = names
            parsed.append((int(epochs), ModelMetrics.FromString(base64.b64decode(metrics, validate=True))))
        except (ValueError, TypeError, KeyError, AttributeError, message.DecodeError) as error:
            raise UserError(f"{path}: record {number}: is none of NAS-Bench-101 ({error})") from error
    if (matrices > 1).any():
        wrong = int((matrices > 1).any(axis=(1, 2)).argmax())
        raise UserError(f"{path}: record {batch[wrong][0]}: its matrix holds more than 0 and 1")
    indices = space.find_graphs(matrices, labels)
    for (number, _), cell, (epochs, metrics) in zip(batch, indices.tolist(), parsed, strict=True):
        if cell < 0:
            raise UserError(f"{path}: record {number}: its matrix is no pruned cell of at most 9 edges")
        try:
            trainings.add(cell, epochs, metrics)
        except (ValueError, IndexError) as error:
            raise UserError(f"{path}: record {number}: {error}") from error


def make_record(
    key: str,
    epochs: int,
    matrix: NDArray[Any],
    operations: list[str],
    runs: dict[str, float],
    parameters: int,
) -> bytes:
    """Return a record as the official files hold it; ``runs`` has the metrics by name. For tests and measurements."""
    metrics = ModelMetrics(trainable_parameters=parameters, total_time=runs["seconds"])
    for share in (0.0, 0.5, 1.0):
        metrics.evaluation_data.add(
            current_epoch=share * epochs,
            training_time=share * runs["seconds"],
            train_accuracy=share * runs["train"],
            validation_accuracy=share * runs["val"],
            test_accuracy=share * runs["test"],
            checkpoint_path="",
        )
    bits = "".join(str(int(bit)) for bit in np.asarray(matrix).ravel())
    text = base64.b64encode(metrics.SerializeToString()).decode()
    return json.dumps([key, epochs, bits, ",".join(operations), text]).encode()
