"""``seminas data``: make benchmark tables, and inspect tables and image folders."""

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seminas.commands.errors import user_errors
from seminas.commands.latency import measure_latency
from seminas.commands.progress import shown_progress
from seminas.commands.space import SpaceName, load_space
from seminas.errors import UserError

if TYPE_CHECKING:
    from seminas.spaces.base import SearchSpace
    from seminas.tables.table import Table

data = typer.Typer(no_args_is_help=True, help="Make and inspect benchmark tables.")
data.command("latency")(measure_latency)


@data.command("fetch")
@user_errors
def fetch_benchmark(
    name: Annotated[str, typer.Argument(metavar="BENCHMARK", help="Only nasbench101.")],
    folder: Annotated[Path, typer.Option("--out", "-o", help="Folder for the file.")] = Path(),
    full: Annotated[
        bool,
        typer.Option("--full", help="Results for all numbers of epochs (1.95 GB), not only 108 (499 MB)."),
    ] = False,
) -> None:
    """Download a benchmark's official file. If the download breaks off, the same command continues it."""
    from seminas.storage.fetch import fetch
    from seminas.tables import nasbench101

    if name != "nasbench101":
        raise UserError(f"{name}: must be nasbench101; other benchmarks' authors offer no plain address")
    file = "nasbench_full.tfrecord" if full else "nasbench_only108.tfrecord"
    fetch(nasbench101.URL + file, folder / file, nasbench101.FILES[file])
    print(
        f"{folder / file}: is whole. To pack it: seminas data import nasbench101 {folder / file} -o nasbench101.npz"
    )


@data.command("import")
@user_errors
def import_table(
    name: SpaceName,
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV file, plain or gzipped; .tfrecord for nasbench101; NATS-Bench folder for nasbench201."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Packed table to write.")],
    val: Annotated[
        list[str] | None,
        typer.Option(help="CSV: column of validation accuracies. Repeat the option for more runs."),
    ] = None,
    test: Annotated[
        list[str] | None, typer.Option(help="CSV: column of test accuracies. Repeatable.")
    ] = None,
    cost: Annotated[
        list[str] | None, typer.Option(help="CSV: column of training seconds. Repeatable.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=COLUMN,…", help="CSV: more accuracies, for evaluator.val or evaluator.test."
        ),
    ] = None,
    fidelity: Annotated[
        list[str] | None,
        typer.Option(
            metavar="EPOCHS=COLUMN,…",
            help="CSV: validation accuracies after fewer epochs. Repeatable; the last one names --val.",
        ),
    ] = None,
    scale: Annotated[str, typer.Option(help="CSV: unit of accuracies, fraction or percent.")] = "fraction",
    licence: Annotated[str | None, typer.Option(help="CSV: licence of the data.")] = None,
    trust_pickles: Annotated[
        bool,
        typer.Option("--trust-pickles", help="NATS-Bench folder: allow it to execute code while it is read."),
    ] = False,
) -> None:
    """Pack evaluated architectures into a table for evaluator=table."""
    from seminas.tables.table import save_table

    space = load_space(name)
    if file.is_dir() or file.suffix == ".tfrecord":
        if val or test or cost or column or fidelity:
            raise UserError(
                f"{file}: --val, --test, --cost, --column and --fidelity are for CSV files, this is none"
            )
        table = _import_official(space, file, trust_pickles)
    else:
        from seminas.spaces.base import EnumerableSpace
        from seminas.tables.csv_file import SEPARATORS
        from seminas.tables.csv_import import import_csv

        if not isinstance(space, EnumerableSpace):
            raise UserError(f"space={name}: its architectures are not numbered, a table cannot hold them")
        further = {}
        for text in column or []:
            key, equals, columns = text.partition("=")
            if not equals:
                raise UserError(f"--column={text}: must be NAME=COLUMN,COLUMN…")
            further[key] = columns.split(",")
        fidelities: dict[int, list[str]] = {}
        for text in fidelity or []:
            key, equals, columns = text.partition("=")
            if not equals or not key.isdecimal() or int(key) in fidelities:
                raise UserError(
                    f"--fidelity={text}: must be EPOCHS=COLUMN,COLUMN…, with distinct whole numbers"
                )
            fidelities[int(key)] = columns.split(",")
        with shown_progress(f"reading {file.name}") as advance:
            table = import_csv(
                file,
                space,
                val or [],
                test or [],
                cost or [],
                further,
                scale,
                licence,
                progress=advance,
                fidelities=fidelities,
            )
        separator = str(table.origin["separator"])
        if separator != ",":
            print(f"{file}: columns are separated by {SEPARATORS[separator]}")
    try:
        save_table(table, out)
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror})") from error
    print(f"{out}: {len(table)} architectures, {out.stat().st_size / 1e6:.1f} MB")


def _import_official(space: "SearchSpace", file: Path, trust_pickles: bool) -> "Table":
    from seminas.spaces.nasbench101 import NASBench101
    from seminas.spaces.nasbench201.space import NASBench201

    with shown_progress(f"reading {file.name}") as advance:
        if isinstance(space, NASBench101) and not file.is_dir():
            from seminas.tables.nasbench101 import import_tfrecord

            if not file.exists():
                raise UserError(f"{file}: there is no such file")
            size, read = file.stat().st_size, 0

            def count(number: int) -> None:
                nonlocal read
                read += number
                advance(read, size)

            return import_tfrecord(file, space, count)
        if isinstance(space, NASBench201) and file.is_dir():
            from seminas.tables.nats_bench_import import import_folder

            if not trust_pickles:
                raise UserError(
                    f"{file}: holds pickles, which execute code when read: --trust-pickles if you trust it"
                )
            return import_folder(file, space, advance)
    raise UserError(f"{file}: is no official form of a benchmark on space={space.name}")


@data.command("info")
@user_errors
def table_info(
    file: Annotated[
        str, typer.Argument(help="Packed table, name of a table in the package, or folder of images.")
    ],
) -> None:
    """Print the contents and the origin of a packed table, or the contents of an image folder."""
    import numpy as np
    from rich.console import Console
    from rich.table import Table as Shown

    from seminas.tables import find_table
    from seminas.tables.table import read_table

    if Path(file).is_dir():
        _folder_info(Path(file))
        return
    table = read_table(find_table(file))
    print(f"space {table.space}, {len(table)} architectures")
    for key, value in table.origin.items():
        print(f"{key}: {value}")
    shown = Shown("column", "read as", "kind", "runs", "least", "median", "most")
    roles: dict[str, str] = {}
    for role, name in table.defaults.items():
        roles[name] = f"{roles[name]}, {role}" if name in roles else role
    for name, column in table.columns.items():
        values = column.at().mean(axis=1)
        form = "{:.4f}" if column.kind == "accuracy" else "{:,.0f}"
        numbers = (form.format(v) for v in (values.min(), np.median(values), values.max()))
        shown.add_row(name, roles.get(name, ""), column.kind, str(column.num_runs), *numbers)
    Console().print(shown)


def _folder_info(root: Path) -> None:
    """Print the numbers of classes and images in a folder, and the files that cannot be read.

    Raises:
        typer.Exit: A file cannot be read. The exit status is 1.
    """
    from rich.progress import track

    from seminas.training.data.folder import Folder
    from seminas.training.data.loading import BROKEN

    broken = []
    for split in ("train", "val"):
        folder = Folder(root, split, 3)
        counts = Counter(folder.labels).values()
        print(
            f"{split}: {len(folder):,} images of {len(counts)} classes, {min(counts):,} to {max(counts):,} of each"
        )
        for i in track(range(len(folder)), split, transient=True, disable=not sys.stderr.isatty()):
            try:
                folder.image(i)
            except BROKEN as error:
                broken.append(f"{folder.name(i)}: {error}")
    if broken:
        print(f"{len(broken)} files cannot be read:", *broken, sep="\n")
        raise typer.Exit(1)
