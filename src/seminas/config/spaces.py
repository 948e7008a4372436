"""Settings of the search spaces that have any."""

from dataclasses import dataclass
from typing import Any, ClassVar

from omegaconf import MISSING

from seminas.config.fields import Settings, setting


@dataclass
class SequenceSettings(Settings):
    """A chain of choices.

    Attributes:
        name: Of the space, in configs and result files.
        positions: The choices at each position, by the position's name, in order.
        forbidden: Combinations that no architecture holds: choices by position, of some positions.
    """

    KEY: ClassVar[str] = "space"

    _target_: str = "seminas.spaces.sequence.SequenceSpace"
    name: str = setting(MISSING)
    positions: dict[str, Any] = setting(MISSING)
    forbidden: list[Any] = setting([])


@dataclass
class MobileNetSettings(Settings):
    """The mobile space.

    Attributes:
        max_macs: Multiply-adds of the standalone network at most; null: any.
        image: Channels, height and width that they are counted for.
        num_classes: Of the classifier that is counted.
        factor: What all widths are multiplied by.
        stem_stride: Of the first convolution: 2, or 1 for small images.
    """

    KEY: ClassVar[str] = "space"

    _target_: str = "seminas.spaces.mobilenet.MobileNet"
    max_macs: float | None = setting(None, above=0, unit="multiply-adds")
    image: list[int] = setting([3, 224, 224], length=3, at_least=1)
    num_classes: int = setting(1000, at_least=1)
    factor: float = setting(1.0, above=0, at_most=100)
    stem_stride: int = setting(2, at_least=1, at_most=2)
