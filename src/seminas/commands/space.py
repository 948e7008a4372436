"""``seminas space``: count and sample the architectures of search spaces."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from seminas.commands.errors import user_errors
from seminas.errors import UserError
from seminas.spaces.base import SearchSpace

space = typer.Typer(no_args_is_help=True, help="Inspect search spaces.")
SpaceName = Annotated[
    str,
    typer.Argument(
        metavar="SPACE", help="Name in conf/space, such as nasbench101, or a YAML file of a space."
    ),
]
Unique = Annotated[bool, typer.Option("--unique", help="Count equivalent architectures once.")]


def load_space(name: str) -> SearchSpace:
    """Return the space with a name in ``conf/space``, or the space of a YAML file.

    Raises:
        UserError: The space does not exist, or it cannot be built.
    """
    from omegaconf import OmegaConf
    from yaml import YAMLError  # type: ignore[import-untyped]

    from seminas.config.build import build
    from seminas.config.compose import CONFIG_DIR, compose
    from seminas.config.messages import one_line

    sys.path.append(str(Path.cwd()))  # The working directory may hold the space's class.
    if name.endswith(".yaml") and Path(name).exists():
        try:
            section: Any = OmegaConf.load(name)
        except (OSError, YAMLError) as error:
            raise UserError(f"{name}: cannot be read ({one_line(error)})") from error
    else:
        names = sorted(path.stem for path in (CONFIG_DIR / "space").glob("*.yaml"))
        if name not in names:
            raise UserError(f"space={name}: must be one of {', '.join(names)}, or a YAML file")
        section = compose("search", [f"space={name}"]).space
    loaded: SearchSpace = build(section, "space", SearchSpace)
    return loaded


def import_path(paths: Sequence[Path]) -> None:
    """Add folders to Python's import path, so that the user's classes in them can be imported."""
    sys.path.extend(str(path) for path in paths if str(path) not in sys.path)


@space.command("count")
@user_errors
def count(
    name: SpaceName,
    unique: Unique = False,
) -> None:
    """Print the number of distinct architectures."""
    loaded = load_space(name)
    print(loaded.num_unique() if unique else loaded.size)


@space.command("sample")
@user_errors
def sample(
    name: SpaceName,
    n: Annotated[int, typer.Option("-n", min=1, help="Number of architectures.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the sample.")] = 0,
) -> None:
    """Print random architectures as JSON, one on each line."""
    import numpy as np

    loaded = load_space(name)
    for architecture in loaded.sample(n, np.random.default_rng(seed)):
        print(json.dumps({"key": loaded.key(architecture), "architecture": loaded.to_json(architecture)}))
