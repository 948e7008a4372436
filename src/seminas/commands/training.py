"""Build the parts of a training from a config, for ``seminas-train`` and ``seminas-supernet``."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from seminas.config.build import build_section, read_section
from seminas.config.recipe import Recipe
from seminas.config.trainer import TrainerSettings
from seminas.execution.processes import is_first_rank
from seminas.runs.folder import RunFolder
from seminas.spaces.base import SearchSpace
from seminas.spaces.capabilities import require
from seminas.storage.values import Config


class TrainingParts(NamedTuple):
    """The parts of a training.

    Attributes:
        space: Search space with the capability that the command needs.
        recipe: Schedule, augmentation and other settings of the training.
        trainer: Settings of Lightning's trainer. This machine has their devices.
    """

    space: SearchSpace
    recipe: Recipe
    trainer: TrainerSettings


def training_parts(config: Config, command: str, capability: type[Any]) -> TrainingParts:
    """Return the parts of the training that a config describes.

    Args:
        config: Checked config.
        command: Name of the command, for errors.
        capability: Protocol that the space must have.

    Raises:
        UserError: The space lacks the capability that the command needs, or the machine lacks the devices.
    """
    from seminas.training.devices import check_devices

    trainer: TrainerSettings = read_section(config, "trainer", TrainerSettings)
    recipe: Recipe = read_section(config, "recipe", Recipe)
    space: SearchSpace = build_section(config, "space", SearchSpace)
    require(space, capability, command)
    check_devices(trainer)
    return TrainingParts(space, recipe, trainer)


def learns_speech(data: Mapping[str, Any]) -> bool:
    """Return whether a section ``data`` is of speech, with ``data.speech`` in place of ``data.images``."""
    return "speech" in data


@contextlib.contextmanager
def claimed_by_first_rank(folder: RunFolder, config: Config) -> Iterator[None]:
    """Claim a folder. If Slurm or torchrun started several ranks, only the first rank claims it.

    Raises:
        UserError: The folder belongs to another config, another process holds it, or it cannot be written.
    """
    with folder.claim(config) if is_first_rank() else contextlib.nullcontext():
        yield
