"""``seminas``: everything that is not an experiment."""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seminas.errors import UserError, user_errors
from seminas.report.command import dashboard, report

if TYPE_CHECKING:
    from seminas.benchmarks.table import Table
    from seminas.networks.cost import Part
    from seminas.spaces.base import SearchSpace

app = typer.Typer(
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    add_completion=False,
    help="Semi-supervised neural architecture search.",
)
data = typer.Typer(no_args_is_help=True, help="Benchmark tables.")
space = typer.Typer(no_args_is_help=True, help="Search spaces.")
arch = typer.Typer(no_args_is_help=True, help="Single architectures.")
sweep = typer.Typer(no_args_is_help=True, help="Sweeps: the folders that -m makes.")
app.add_typer(data, name="data")
app.add_typer(space, name="space")
app.add_typer(arch, name="arch")
app.add_typer(sweep, name="sweep")
app.command("report")(report)
app.command("dashboard")(dashboard)

SpaceName = Annotated[
    str,
    typer.Argument(
        metavar="SPACE", help="A name in conf/space, such as nasbench101, or a YAML file of a space."
    ),
]


def load_space(name: str) -> "SearchSpace[Any]":
    """Return the space of a name in ``conf/space``, or of a YAML file.

    Raises:
        UserError: There is none, or it cannot be made.
    """
    from omegaconf import OmegaConf
    from yaml import YAMLError  # type: ignore[import-untyped]

    from seminas.app import CONFIG_DIR, build, one_line

    names = sorted(path.stem for path in (CONFIG_DIR / "space").glob("*.yaml"))
    file = CONFIG_DIR / "space" / f"{name}.yaml"
    if name.endswith(".yaml") and Path(name).exists():
        file = Path(name)
    elif name not in names:
        raise UserError(f"space={name}: must be one of {', '.join(names)}, or a YAML file")
    sys.path.append(str(Path.cwd()))  # The class may be the user's.
    try:
        config = OmegaConf.create({"space": OmegaConf.load(file)})
    except (OSError, YAMLError) as error:
        raise UserError(f"{file}: cannot be read ({one_line(error)})") from error
    found: SearchSpace[Any] = build(config, "space")
    return found


@data.command("fetch")
@user_errors
def fetch_benchmark(
    name: Annotated[str, typer.Argument(metavar="BENCHMARK", help="nasbench101.")],
    folder: Annotated[Path, typer.Option("--out", "-o", help="Folder for the file.")] = Path(),
    full: Annotated[
        bool, typer.Option("--full", help="All numbers of epochs (1.95 GB) in place of 108 alone (499 MB).")
    ] = False,
) -> None:
    """Download a benchmark's official file; a call after a broken one goes on where it ended."""
    from seminas.benchmarks import nasbench101
    from seminas.benchmarks.fetch import fetch

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
            help="CSV, plain or gzipped; .tfrecord of nasbench101; NATS-Bench's folder of nasbench201."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The packed table to write.")],
    val: Annotated[
        list[str] | None,
        typer.Option(help="CSV: column of validation accuracies; repeat it for several runs."),
    ] = None,
    test: Annotated[list[str] | None, typer.Option(help="CSV: column of test accuracies, likewise.")] = None,
    cost: Annotated[list[str] | None, typer.Option(help="CSV: column of training seconds, likewise.")] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=COLUMN,…", help="CSV: further accuracies, for evaluator.val or evaluator.test."
        ),
    ] = None,
    scale: Annotated[str, typer.Option(help="CSV: of the accuracies, fraction or percent.")] = "fraction",
    licence: Annotated[str | None, typer.Option(help="CSV: of the data, for seminas data info.")] = None,
    trust_pickles: Annotated[
        bool, typer.Option("--trust-pickles", help="NATS-Bench's folder: reading it executes what is in it.")
    ] = False,
) -> None:
    """Pack a table of evaluated architectures for evaluator=table."""
    from seminas.benchmarks.table import save_table

    found = load_space(name)
    if file.is_dir() or file.suffix == ".tfrecord":
        if val or test or cost or column:
            raise UserError(f"{file}: --val, --test, --cost and --column are for CSV files, this is none")
        table = _import_official(found, file, trust_pickles)
    else:
        from seminas.benchmarks.csv_import import import_csv
        from seminas.spaces.base import EnumerableSpace

        if not isinstance(found, EnumerableSpace):
            raise UserError(f"space={name}: its architectures are not numbered, a table cannot hold them")
        further = {}
        for text in column or []:
            key, equals, columns = text.partition("=")
            if not equals:
                raise UserError(f"--column={text}: must be NAME=COLUMN,COLUMN…")
            further[key] = columns.split(",")
        table = import_csv(file, found, val or [], test or [], cost or [], further, scale, licence)
    try:
        save_table(table, out)
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror})") from error
    print(f"{out}: {len(table)} architectures, {out.stat().st_size / 1e6:.1f} MB")


def _import_official(space: "SearchSpace[Any]", file: Path, trust_pickles: bool) -> "Table":
    from rich.console import Console
    from rich.progress import Progress

    from seminas.spaces.nasbench101 import NASBench101
    from seminas.spaces.nasbench201 import NASBench201

    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task(file.name)
        if isinstance(space, NASBench101) and not file.is_dir():
            from seminas.benchmarks.nasbench101 import import_tfrecord

            if not file.exists():
                raise UserError(f"{file}: there is no such file")
            progress.update(task, total=file.stat().st_size)
            return import_tfrecord(file, space, lambda count: progress.advance(task, count))
        if isinstance(space, NASBench201) and file.is_dir():
            from seminas.benchmarks.nats_bench_import import import_folder

            if not trust_pickles:
                raise UserError(
                    f"{file}: holds pickles, which execute code when read: --trust-pickles if you trust it"
                )
            return import_folder(file, space, lambda k, n: progress.update(task, completed=k, total=n))
    raise UserError(f"{file}: is no official form of a benchmark on space={space.name}")


@data.command("info")
@user_errors
def table_info(
    file: Annotated[str, typer.Argument(help="A packed table, or the name of one in the package.")],
) -> None:
    """Say what a packed table holds and where it is from."""
    import numpy as np
    from rich.console import Console
    from rich.table import Table as Shown

    from seminas.benchmarks import find_table
    from seminas.benchmarks.table import read_table

    if Path(file).is_dir():
        _folder_info(Path(file))
        return
    table = read_table(find_table(file))
    print(f"space {table.space}, {len(table)} architectures")
    for key, value in table.origin.items():
        print(f"{key}: {value}")
    shown = Shown("column", "read as", "kind", "runs", "least", "median", "most")
    roles = {name: role for role, name in table.defaults.items()}
    for name, column in table.columns.items():
        values = column.at().mean(axis=1)
        form = "{:.4f}" if column.kind == "accuracy" else "{:,.0f}"
        numbers = (form.format(v) for v in (values.min(), np.median(values), values.max()))
        shown.add_row(name, roles.get(name, ""), column.kind, str(column.num_runs), *numbers)
    Console().print(shown)


def _folder_info(root: Path) -> None:
    """Print how many classes and images a folder holds, and which files cannot be read."""
    from rich.progress import track

    from seminas.training.folder import Folder
    from seminas.training.loading import BROKEN

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


@space.command("count")
@user_errors
def count(
    name: SpaceName,
    unique: Annotated[
        bool, typer.Option("--unique", help="Count those that compute the same thing once.")
    ] = False,
) -> None:
    """Print the number of distinct architectures."""
    found = load_space(name)
    print(found.num_unique() if unique else found.size)


@space.command("sample")
@user_errors
def sample(
    name: SpaceName,
    n: Annotated[int, typer.Option("-n", min=1, help="How many.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw.")] = 0,
) -> None:
    """Print random architectures as JSON, one a line."""
    import numpy as np

    found = load_space(name)
    for architecture in found.sample(n, np.random.default_rng(seed)):
        print(json.dumps({"key": found.key(architecture), "architecture": found.to_json(architecture)}))


@arch.command("show")
@user_errors
def show(
    architecture: Annotated[
        str,
        typer.Argument(
            help="As space sample writes it, its key where that says all, a file, or a run folder."
        ),
    ],
    name: Annotated[str, typer.Option("--space", help="A name in conf/space.")] = "nasbench101",
    figure: Annotated[Path | None, typer.Option(help="PNG to draw it to.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
) -> None:
    """Say what an architecture is: key, tokens, parameters and MACs of its network, as a whole and by part; draw it."""
    from seminas.app import given_architecture
    from seminas.networks.cost import count_macs, count_parameters, parts

    found = load_space(name)
    try:
        value = given_architecture(architecture, found)
    except ValueError as error:
        raise UserError(f"{architecture}: {error}") from error
    about = {
        "space": name,
        "key": found.key(value),
        "architecture": found.to_json(value),
        "tokens": found.encode([value])[0].tolist(),
    }
    try:
        network = found.build_network(value, found.num_classes, found.image[0])
    except NotImplementedError:
        costs = []
    else:
        about["image"] = list(found.image)
        about |= {"parameters": count_parameters(network), "macs": count_macs(network, found.image)}
        costs = parts(network, found.image)
    if figure is not None:
        from seminas.report.figures import draw_architecture

        try:
            draw_architecture(found, value).savefig(figure, dpi=130)
        except (OSError, ValueError) as error:
            raise UserError(f"--figure={figure}: cannot be written ({error})") from error
    if as_json:
        print(json.dumps(about))
    else:
        for key, item in about.items():
            print(f"{key:<13}{f'{item:,}' if isinstance(item, int) else item}")
        if costs:
            _print_parts(costs)


SweepFolder = Annotated[Path, typer.Argument(metavar="DIR", help="hydra.sweep.dir of the sweep.")]


@sweep.command("status")
@user_errors
def sweep_status(folder: SweepFolder) -> None:
    """Say how many jobs are done, running, failed, stopped and missing, and why; exits with 1 until all are done."""
    from seminas.jobs import STATES, jobs

    found = jobs(folder)
    counts = {state: sum(job.state == state for job in found) for state in STATES}
    print(f"{len(found)} jobs: " + ", ".join(f"{n} {state}" for state, n in counts.items() if n))
    for job in found:
        if job.state in ("failed", "stopped"):
            print(f"{job.state}: {job.name}{f': {job.error}' if job.error else ''}")
    if counts["done"] < len(found):
        raise typer.Exit(1)


@sweep.command("resume")
@user_errors
def sweep_resume(folder: SweepFolder) -> None:
    """Run the jobs of a sweep that are not done, as it was launched, and no others."""
    from seminas.jobs import resume

    resume(folder)
    print(f"all jobs are done in {folder}")


def _print_parts(parts: "list[Part]") -> None:
    from rich.console import Console
    from rich.table import Table as Shown

    shown = Shown("part", "what", "output")
    for title in ("parameters", "MACs"):
        shown.add_column(title, justify="right")
    for part in parts:
        output = " x ".join(map(str, part.output))
        shown.add_row(part.name, part.title, output, f"{part.parameters:,}", f"{part.macs:,}")
    Console().print(shown)


def main() -> None:
    """Entry point of ``seminas``."""
    app()
