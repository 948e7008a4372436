"""``seminas``: everything that is not an experiment."""

import json
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seminas.errors import UserError

if TYPE_CHECKING:
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
app.add_typer(data, name="data")
app.add_typer(space, name="space")
app.add_typer(arch, name="arch")

SpaceName = Annotated[str, typer.Argument(metavar="SPACE", help="A name in conf/space, such as nasbench101.")]


def _user_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Print a user's error as one line and exit with status 2."""

    @wraps(command)
    def checked(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            raise typer.Exit(2) from error

    return checked


def load_space(name: str) -> "SearchSpace[Any]":
    """Return the space of a name in ``conf/space``.

    Raises:
        UserError: There is none of that name.
    """
    import hydra.utils
    from omegaconf import OmegaConf

    from seminas.app import CONFIG_DIR

    names = sorted(path.stem for path in (CONFIG_DIR / "space").glob("*.yaml"))
    if name not in names:
        raise UserError(f"space={name}: must be one of {', '.join(names)}")
    found: SearchSpace[Any] = hydra.utils.instantiate(OmegaConf.load(CONFIG_DIR / "space" / f"{name}.yaml"))
    return found


@data.command("import")
@_user_errors
def import_table(
    name: SpaceName,
    file: Annotated[Path, typer.Argument(help="CSV file, plain or gzipped, with a row per architecture.")],
    val: Annotated[
        list[str], typer.Option(help="Column of validation accuracies; repeat it for several runs.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The packed table to write.")],
    test: Annotated[list[str] | None, typer.Option(help="Column of test accuracies.")] = None,
    cost: Annotated[str | None, typer.Option(help="Column of training seconds.")] = None,
    scale: Annotated[str, typer.Option(help="Of the accuracies: fraction or percent.")] = "fraction",
) -> None:
    """Pack a table of evaluated architectures (columns adjacency and ops, and accuracies) for evaluator=table."""
    from seminas.benchmarks.csv_import import import_nasbench101
    from seminas.benchmarks.table import save_table
    from seminas.spaces.nasbench101 import NASBench101

    found = load_space(name)
    if not isinstance(found, NASBench101):
        raise UserError(f"space={name}: CSV files can be imported for nasbench101")
    table = import_nasbench101(file, found, val, test or [], cost, scale)
    try:
        save_table(table, out)
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror})") from error
    print(f"{out}: {len(table)} architectures, {out.stat().st_size / 1e6:.1f} MB")


@data.command("info")
@_user_errors
def table_info(file: Annotated[Path, typer.Argument(help="A packed table.")]) -> None:
    """Say what a packed table holds and where it is from."""
    import numpy as np

    from seminas.benchmarks.table import read_table

    table = read_table(file)
    print(f"space       {table.space}")
    print(f"rows        {len(table)}")
    for name, values in (("validation", table.val), ("test", table.test)):
        if values is None:
            print(f"{name:<12}none")
        else:
            runs = f"{values.shape[1]} run{'s' if values.shape[1] > 1 else ''}"
            quartiles = np.quantile(values.mean(axis=1), (0.5, 1))
            print(f"{name:<12}{runs}, median {quartiles[0]:.4f}, best {quartiles[1]:.4f}")
    cost = "none" if table.cost_s is None else f"{table.cost_s.sum() / 3600:.0f} hours of training in all"
    print(f"cost        {cost}")
    for key, value in table.origin.items():
        print(f"{key:<12}{value}")


@space.command("count")
@_user_errors
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
@_user_errors
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
@_user_errors
def show(
    architecture: Annotated[
        str, typer.Argument(help="JSON as of space sample, a file of it, or a run folder.")
    ],
    name: Annotated[str, typer.Option("--space", help="A name in conf/space.")] = "nasbench101",
    figure: Annotated[Path | None, typer.Option(help="PNG to draw it to.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
) -> None:
    """Say what an architecture is: its key, its tokens, the parameters of its network; draw it."""
    from seminas.networks.cost import count_parameters

    found = load_space(name)
    try:
        value = found.from_json(_given(architecture))
    except ValueError as error:
        raise UserError(f"{architecture}: {error}") from error
    about = {
        "space": name,
        "key": found.key(value),
        "architecture": found.to_json(value),
        "tokens": found.encode([value])[0].tolist(),
        "parameters": count_parameters(found.build_network(value, 10, 3)),
    }
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
            print(f"{key:<13}{item}")


def _given(text: str) -> Any:
    """The JSON in an argument, in a file, or in a run folder's result."""
    path = Path(text)
    try:
        if len(text) < 4096 and path.is_dir():
            return json.loads((path / "result.json").read_text())["best_architecture"]
        value = json.loads(path.read_text() if len(text) < 4096 and path.is_file() else text)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{text}: is no architecture, file of one, or run folder ({error})") from error
    return value["architecture"] if isinstance(value, dict) and "architecture" in value else value


def main() -> None:
    """Entry point of ``seminas``."""
    app()
