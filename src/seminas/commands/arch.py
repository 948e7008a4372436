"""``seminas arch``: show single architectures."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seminas.commands.architecture import read_architecture
from seminas.commands.errors import user_errors
from seminas.commands.space import import_path, load_space
from seminas.errors import UserError
from seminas.runs.folder import NO_RUN, RunFolder
from seminas.runs.results import SearchResult
from seminas.spaces.base import SearchSpace
from seminas.storage.files import write_json

if TYPE_CHECKING:
    from seminas.spaces.cost import Part

arch = typer.Typer(no_args_is_help=True, help="Show single architectures.")


def _space_of(path: Path) -> SearchSpace:
    """Return the space of a run folder's config, or NAS-Bench-101 if the path is no folder.

    Raises:
        UserError: The folder holds no run, or its space cannot be built.
    """
    from seminas.config.recorded import recorded_space

    if not path.is_dir():
        return load_space("nasbench101")
    folder = RunFolder(path)
    config = folder.config()
    if config is None:
        raise UserError(f"{path}: {NO_RUN}")
    import_path(folder.import_paths())
    space: SearchSpace = recorded_space(config, str(path), SearchSpace)
    return space


@arch.command("show")
@user_errors
def show(
    architecture: Annotated[
        str,
        typer.Argument(
            help="Architecture as seminas space sample writes it, its key, a file, or a run folder."
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(
            "--space",
            help="Name in conf/space, or a YAML file. [default: the run folder's space, else nasbench101]",
            show_default=False,
        ),
    ] = None,
    figure: Annotated[Path | None, typer.Option(help="Image file for a drawing.")] = None,
    phonemes: Annotated[
        int | None, typer.Option(min=1, help="Phonemes of a sentence, for space tts.")
    ] = None,
    frames: Annotated[
        int | None, typer.Option(min=1, help="Mel frames of a sentence, for space tts.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print an architecture's key and tokens, and the parameters and MACs of its network and of each part."""
    from seminas.spaces.capabilities import BuildsNetworks, BuildsSpeechNetworks, reference_image
    from seminas.spaces.cost import count_macs, count_parameters, parts

    space = load_space(name) if name is not None else _space_of(Path(architecture))
    try:
        value = read_architecture(architecture, space)
    except ValueError as error:
        raise UserError(f"{architecture}: {error}") from error
    about = {
        "space": space.name,
        "key": space.key(value),
        "architecture": space.to_json(value),
        "tokens": space.encode([value])[0].tolist(),
    }
    costs: list[Part] = []
    if isinstance(space, BuildsNetworks):
        image, num_classes = reference_image(space)
        network = space.build_network(value, num_classes, image[0])
        about["image"] = list(image)
        about |= {"parameters": count_parameters(network), "macs": count_macs(network, image)}
        costs = parts(network, image)
    if isinstance(space, BuildsSpeechNetworks):
        from seminas.spaces.tts.costs import described

        about |= described(space, value, phonemes or space.phonemes, frames or space.frames)
    elif phonemes is not None or frames is not None:
        raise UserError(f"--phonemes, --frames: space={space.name} builds no speech networks")
    if figure is not None:
        from seminas.loop.drawing import draw_architecture

        try:
            draw_architecture(space, value).savefig(figure, dpi=130)
        except (OSError, ValueError) as error:
            raise UserError(f"--figure={figure}: cannot be written ({error})") from error
    if as_json:
        print(json.dumps(about))
    else:
        for key, item in about.items():
            print(f"{key:<13}{f'{item:,}' if isinstance(item, int) else item}")
        if costs:
            _print_parts(costs)


@arch.command("export")
@user_errors
def export(
    run: Annotated[Path, typer.Argument(help="Run folder of a search.")],
    pareto: Annotated[
        bool, typer.Option("--pareto", help="Write each architecture of the front. [default: the best one]")
    ] = False,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the files.")] = Path("architectures"),
) -> None:
    """Write the best architecture of a search, or its front, for seminas-train architecture_from=FILE."""
    result = RunFolder(run).result()
    if not isinstance(result, SearchResult):
        raise UserError(f"{run}: " + ("has no result" if result is None else "is no search"))
    if pareto and result.pareto is None:
        raise UserError(f"--pareto: {run} is a search for one objective, {result.metric.name}")
    if result.best_value is None:
        raise UserError(f"{run}: has no architecture within search.constraints")
    best = {"key": result.best_key, "architecture": result.best_architecture}
    members: list[tuple[str, Any]] = [("best", {**best, "values": {result.metric.name: result.best_value}})]
    if pareto and result.pareto is not None:
        members = [(str(member["index"]), member) for member in result.pareto]
    for name, member in members:
        path = out / f"{name}.json"
        write_json(path, member)
        values = ", ".join(f"{key} {value:.6g}" for key, value in member["values"].items())
        print(f"{path}  {values}")


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
