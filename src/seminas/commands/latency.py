"""``seminas data latency``: measure the latency table of a space."""

from pathlib import Path
from typing import Annotated

import typer

from seminas.commands.errors import user_errors
from seminas.commands.progress import shown_progress
from seminas.errors import UserError


@user_errors
def measure_latency(
    overrides: Annotated[
        list[str],
        typer.Argument(
            metavar="SETTINGS", help="Space and its settings, such as space=mobilenet space.factor=0.5."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Table to write, a CSV file.")],
    device: Annotated[str, typer.Option(help="cpu, cuda or onnxruntime.")] = "cpu",
    repetitions: Annotated[int, typer.Option(min=3, help="Timed runs of each network.")] = 30,
    warmup: Annotated[int, typer.Option(min=0, help="Runs of each network before, without a time.")] = 5,
    batch: Annotated[int, typer.Option(min=1, help="Images in a batch.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="Threads on the CPU.")] = 1,
    networks: Annotated[
        int, typer.Option(min=2, help="Random whole networks with which the sums are compared.")
    ] = 30,
    seed: Annotated[int, typer.Option(min=0, help="Seed of these networks.")] = 0,
) -> None:
    """Measure the time of each operation at its place in a network, for space.latency."""
    from seminas.commands.api import composed
    from seminas.commands.space import import_path
    from seminas.config.build import build_section
    from seminas.spaces.base import SearchSpace
    from seminas.spaces.capabilities import HasStages, reference_image, require
    from seminas.spaces.exact import NetworkShape
    from seminas.storage.files import write_file
    from seminas.training.latency import measure, table_text
    from seminas.training.stage_clocks import LatencySettings

    import_path([Path.cwd()])
    with composed("search", overrides, None) as (config, _):
        space = build_section(config, "space", SearchSpace)
    require(space, HasStages, "seminas data latency")
    shape = NetworkShape(*reference_image(space))
    settings = LatencySettings(device, repetitions, warmup, batch, threads, networks, seed)
    if out.is_dir():
        raise UserError(f"{out}: is a folder")
    with shown_progress(f"measuring {space.name}") as advance:
        measured = measure(space, shape, settings, advance)
    image = "x".join(map(str, shape.image))
    about = [
        f"latency of {space.name}: {' '.join(overrides)}",
        f"image: {image}, classes: {shape.num_classes}",
    ]
    try:
        write_file(out, table_text(measured, about, settings).encode())
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror})") from error
    print(
        f"{out}: {len(measured.times)} times; sums against {networks} whole networks: Spearman "
        f"{measured.spearman():.3f}, mean relative error {measured.relative_error():.1%}"
    )
