"""Import of NAS-Bench-101 (Ying et al., ICML 2019; Apache-2.0) from its official TFRecord files, without TensorFlow.

A record is a JSON list with five items:

- Hash of the module (cell)
- Number of epochs
- Adjacency matrix, V · V digits row by row
- Operations, joined by commas
- Message ``ModelMetrics`` in base64

Each cell has three records for each number of epochs.
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
from seminas.storage.files import parse_json
from seminas.tables.table import Column, Table, accuracy_column, count_column, seconds_column
from seminas.tables.tfrecord import read_records

URL = "https://storage.googleapis.com/nasbench/"
FILES = {
    "nasbench_only108.tfrecord": "4c39c3936e36a85269881d659e44e61a245babcb72cb374eacacf75d0e5f4fd1",
    "nasbench_full.tfrecord": "3d64db8180fb1b0207212f9032205064312b6907a3bbc81eabea10db2f5c7e9c",
}
"""Published SHA-256 of each official file."""
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
"""Messages of ``nasbench/proto/model_metrics.proto`` (proto2). Each field has a name, number, type and label."""
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
    """Metrics of all records.

    Attributes:
        values: Values of each metric, ``[cells, repeats]``, by number of epochs and name of the metric.
        seen: Number of trainings of each cell so far, ``[cells]``, by number of epochs.
        parameters: Number of trainable parameters of each cell's network, ``[cells]``.
    """

    def __init__(self, num_cells: int) -> None:
        self._num_cells = num_cells
        self.values: dict[int, dict[str, NDArray[np.float32]]] = {}
        self.seen: dict[int, NDArray[np.uint8]] = {}
        self.parameters = np.zeros(num_cells, dtype=np.uint32)

    def add(self, cell: int, epochs: int, metrics: Any) -> None:
        """Add the metrics of one training.

        Raises:
            ValueError: The cell already has three trainings of this number of epochs, or an accuracy is no fraction.
            IndexError: The message holds no evaluation data.
        """
        if epochs not in self.seen:
            self.seen[epochs] = np.zeros(self._num_cells, dtype=np.uint8)
            shape = (self._num_cells, REPEATS)
            self.values[epochs] = {name: np.zeros(shape, dtype=np.float32) for name in METRICS}
        repeat = int(self.seen[epochs][cell])
        if repeat == REPEATS:
            raise ValueError(f"a {REPEATS + 1}th training of {epochs} epochs of the same cell")
        end = metrics.evaluation_data[-1]  # The earlier items are the start and the middle of the training.
        accuracies = (end.train_accuracy, end.validation_accuracy, end.test_accuracy)
        if not all(0 <= accuracy <= 1 for accuracy in accuracies):
            raise ValueError(f"accuracies {accuracies} are no fractions")
        values = self.values[epochs]
        for name, value in zip(METRICS, (*accuracies, end.training_time), strict=True):
            values[name][cell, repeat] = value
        self.seen[epochs][cell] = repeat + 1
        self.parameters[cell] = metrics.trainable_parameters


def import_tfrecord(path: Path, space: NASBench101, progress: Callable[[int], None] | None = None) -> Table:
    """Return the table of an official file, or of a file of the same form that has only a part of the space.

    Each number of epochs gives four columns with three runs. For 108 epochs these are ``train_108ep``, ``val_108ep``,
    ``test_108ep`` and ``seconds_108ep``. By default, a search reads the columns with the largest number of epochs.

    Args:
        path: Path of the file.
        space: Space of NAS-Bench-101.
        progress: Function called now and then with the number of bytes read since its last call.

    Raises:
        UserError: The file cannot be read, or a cell has fewer than three trainings. Or a record is damaged or not a
            record of the benchmark. For a record, the message has its number.
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
    """Add the trainings of a batch of numbered records."""
    matrices = np.zeros((len(batch), MAX_VERTICES, MAX_VERTICES), dtype=np.uint8)
    labels = np.full((len(batch), MAX_VERTICES), PADDING, dtype=np.int8)
    parsed = []
    for i, (number, data) in enumerate(batch):
        try:
            _, epochs, bits, operations, metrics = parse_json(data)
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
    """Return a record in the form of the official files, for tests and measurements.

    Args:
        key: Hash of the cell.
        epochs: Number of epochs.
        matrix: Adjacency matrix of the cell, ``[V, V]``.
        operations: Operation of each vertex.
        runs: Values of the metrics at the end of the training, by name (``METRICS``).
        parameters: Number of trainable parameters of the cell's network.
    """
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
