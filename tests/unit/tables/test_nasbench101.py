"""Test the import of the official file format. The tests write such a file from the sample, and read it back."""

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from seminas.commands.main import app
from seminas.errors import UserError
from seminas.spaces.nasbench101 import NASBench101
from seminas.tables.nasbench101 import import_tfrecord, make_record
from seminas.tables.table import load_table, save_table
from seminas.tables.tfrecord import masked_crc, read_records, write_records

EPOCHS = (4, 108)


def made_records(space: NASBench101, path: Path, count: int) -> tuple[list[bytes], dict[str, np.ndarray]]:
    """Return records of three trainings for each number of epochs, with the cells in random order.

    Also return the numbers in the records, ``[epochs, repeat, metric]``, by the cell's key.
    """
    with gzip.open(path, "rt") as file:
        rows = list(csv.DictReader(file))[:count]
    rng = np.random.default_rng(0)
    records, truth = [], {}
    for row in rows:
        names = ["input", *(row["ops"].split("|") if row["ops"] else []), "output"]
        v = len(names)
        matrix = np.zeros((v, v), dtype=int)
        matrix[np.triu_indices(v, k=1)] = [int(bit) for bit in row["adjacency"]]
        truth[row["hash"]] = np.zeros((len(EPOCHS), 3, 4))
        for e, epochs in enumerate(EPOCHS):
            for repeat in range(3):
                accuracies = rng.integers(0, 9_985, 3) / 9_984
                seconds = float(row["training_time_s"]) * epochs / 108
                truth[row["hash"]][e, repeat] = [*accuracies, seconds]
                runs = dict(zip(("train", "val", "test", "seconds"), (*accuracies, seconds), strict=True))
                records.append(
                    make_record(row["hash"], epochs, matrix, names, runs, int(row["trainable_parameters"]))
                )
    # The trainings of a cell keep their order, because the table keeps it too.
    order = np.argsort(rng.random(len(rows)))
    per_cell = 3 * len(EPOCHS)
    return [r for i in order for r in records[i * per_cell : (i + 1) * per_cell]], truth


@pytest.fixture(scope="module")
def file(space: NASBench101, nasbench101_sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tfrecord") / "part.tfrecord"
    write_records(made_records(space, nasbench101_sample, 300)[0], path)
    return path


def test_every_training_is_read_back(
    space: NASBench101, nasbench101_sample: Path, file: Path, tmp_path: Path
) -> None:
    _, truth = made_records(space, nasbench101_sample, 300)
    bytes_read = []
    save_table(import_tfrecord(file, space, bytes_read.append), tmp_path / "table.npz")
    assert sum(bytes_read) == file.stat().st_size
    table = load_table(tmp_path / "table.npz", space)
    assert len(table) == 300
    assert table.defaults == {"val": "val_108ep", "test": "test_108ep", "cost": "seconds_108ep"}
    for row, cell in enumerate(space.at(table.index)):
        for e, epochs in enumerate(EPOCHS):
            for m, metric in enumerate(("train", "val", "test", "seconds")):
                imported = table.columns[f"{metric}_{epochs}ep"].at()[row]
                np.testing.assert_allclose(imported, truth[space.key(cell)][e, :, m], rtol=1e-6)
    assert table.columns["val_108ep"].divisor == 9_984
    with gzip.open(nasbench101_sample, "rt") as text:
        parameters = {r["hash"]: int(r["trainable_parameters"]) for r in csv.DictReader(text)}
    table_parameters = {
        space.key(c): p
        for c, p in zip(space.at(table.index), table.columns["parameters"].at()[:, 0], strict=True)
    }
    assert all(parameters[key] == p for key, p in table_parameters.items())


def test_the_checksum_is_crc32c() -> None:
    # The checksum of 32 zero bytes in RFC 3720, B.4, with the mask of TFRecord.
    crc = 0x8A9136AA
    assert masked_crc(bytes(32)) == ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32


def test_damage_at_any_byte_is_reported_with_the_records_number(
    space: NASBench101, nasbench101_sample: Path, tmp_path: Path
) -> None:
    records, _ = made_records(space, nasbench101_sample, 1)
    path = tmp_path / "damaged.tfrecord"
    write_records(records, path)
    data = path.read_bytes()
    ends = np.cumsum([len(r) + 16 for r in records])
    for at in range(0, len(data), 7):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])
        number = int(np.searchsorted(ends, at, side="right")) + 1
        with pytest.raises(UserError, match=rf"damaged.tfrecord: record {number}: "):
            import_tfrecord(path, space)
    for length in (5, 11, 12, 40, len(data) - 1):
        path.write_bytes(data[:length])
        number = int(np.searchsorted(ends, length, side="right")) + 1
        with pytest.raises(UserError, match=rf"record {number}: the file ends inside"):
            list(read_records(path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r[:-1] + b"}", "record 2: is none of NAS-Bench-101"),
        (lambda r: r.replace(b"conv", b"cvno", 1), "record 2: is none of NAS-Bench-101"),
        (lambda r: r.replace(b'["', b'["x', 1), ""),
        (lambda r: b'["a", 108, "0100", "input,output", "!"]', "record 2: is none of NAS-Bench-101"),
        (lambda r: b'["a", 108, "0000", "input,output", ""]', "record 2: its matrix is no pruned cell"),
        (lambda r: b'["a", 108, "0200", "input,output", ""]', "record 2: its matrix holds more than 0 and 1"),
        (lambda r: b'["a", 108, "0100", "input,output", ""]', "record 2: list index out of range"),
    ],
)
def test_what_is_no_record_of_the_benchmark_is_named(
    space: NASBench101, nasbench101_sample: Path, tmp_path: Path, change, message: str
) -> None:
    records, _ = made_records(space, nasbench101_sample, 1)
    write_records([records[0], change(records[1]), *records[2:]], tmp_path / "a.tfrecord")
    if not message:  # A changed hash is accepted, because the matrix identifies the cell.
        assert len(import_tfrecord(tmp_path / "a.tfrecord", space)) == 1
        return
    with pytest.raises(UserError, match=message):
        import_tfrecord(tmp_path / "a.tfrecord", space)


def test_missing_and_surplus_trainings_are_noticed(
    space: NASBench101, nasbench101_sample: Path, tmp_path: Path
) -> None:
    records, _ = made_records(space, nasbench101_sample, 2)
    write_records(records[:-1], tmp_path / "few.tfrecord")
    with pytest.raises(UserError, match="1 cells have fewer than 3 trainings of 108 epochs"):
        import_tfrecord(tmp_path / "few.tfrecord", space)
    write_records([*records, records[0]], tmp_path / "many.tfrecord")
    with pytest.raises(UserError, match=f"record {len(records) + 1}: a 4th training of 4 epochs"):
        import_tfrecord(tmp_path / "many.tfrecord", space)
    write_records([], tmp_path / "none.tfrecord")
    with pytest.raises(UserError, match="holds no records"):
        import_tfrecord(tmp_path / "none.tfrecord", space)


def test_the_command_packs_it(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    done = runner.invoke(app, ["data", "import", "nasbench101", str(file), "-o", "t.npz"])
    assert done.exit_code == 0 and "300 architectures" in done.stdout, done.stderr
    about = runner.invoke(app, ["data", "info", "t.npz"]).stdout
    assert "Apache-2.0" in about and "test_4ep" in about and "seconds_108ep" in about
    wrong = runner.invoke(app, ["data", "import", "nasbench201", str(file), "-o", "u.npz"])
    assert wrong.exit_code == 2 and "is no official form of a benchmark on space=nasbench201" in wrong.stderr
    assert not (tmp_path / "u.npz").exists()
