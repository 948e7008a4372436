"""Settings of search spaces."""

from dataclasses import dataclass
from typing import Any, ClassVar

from omegaconf import MISSING

from seminas.config.fields import Settings, setting
from seminas.errors import config_error

BINS = 64
"""Default number of values of an interval of floats.

The best value of the interval is at most half a step away from one of the values: 0.8% of the interval. Near its
maximum a smooth accuracy falls with the square of the distance, so this costs less than a ten-thousandth of the fall
from the maximum to the far end. Two trainings with different seeds differ by more.
"""
MOST_VALUES = 1_000
"""Largest number of values of an interval. Each value is a token of the controller."""


@dataclass
class SequenceSettings(Settings):
    """A space with one choice at each position of a chain.

    Attributes:
        name: Name of the space in configs and result files.
        positions: Mapping from the name of each position, in order, to the list of its categories, or to a mapping:
            ``{values: [16, 32], ordered: true}``, ``{low: 2, high: 6, step: 1}`` or ``{low: 1e-4, high: 1e-1,
            log: true, bins: 64}``. A mapping may have ``when: {earlier position: values}``.
        forbidden: Combinations that no architecture may contain. Each maps some positions to a value, a list of values,
            or bounds such as ``{at_least: 0.01}``.
        constraints: Limits of sums of costs, each ``{sum: {position: {value: cost}}, at_most: limit}``. Null means no
            limit.
        latency: CSV or YAML file with the time of each choice at each position, see docs/constraints.md. Null means no
            table.
        max_latency_ms: Largest sum of the times of an architecture's choices. Null means no limit.
    """

    KEY: ClassVar[str] = "space"

    _target_: str = "seminas.spaces.sequence.SequenceSpace"
    name: str = setting(MISSING)
    positions: Any = setting(MISSING)  # With another type, the command line could not set them.
    forbidden: list[Any] = setting([])
    constraints: list[Any] | None = setting(None)
    latency: str | None = setting(None)
    max_latency_ms: float | None = setting(None, above=0, unit="milliseconds")

    def check_together(self, key: str) -> None:
        """Refuse a limit of the latency without a table."""
        check_latency(self, key)


@dataclass
class MobileNetSettings(Settings):
    """The mobile space.

    Attributes:
        max_macs: Largest number of multiply-adds of a standalone network for one image. Null means no limit.
        max_parameters: Largest number of trainable parameters of a standalone network. Null means no limit.
        latency: CSV or YAML file with the time of each operation in each block, see docs/constraints.md. Null means no
            table.
        max_latency_ms: Largest latency of a network, the sum of the times of its blocks. Null means no limit.
        image: Channels, height and width of the image for which multiply-adds are counted.
        num_classes: Number of classes for which multiply-adds are counted.
        factor: Factor for the widths of all layers.
        stem_stride: Stride of the first convolution: 2, or 1 for small images.
    """

    KEY: ClassVar[str] = "space"

    _target_: str = "seminas.spaces.mobilenet.MobileNet"
    max_macs: float | None = setting(None, above=0, unit="multiply-adds")
    max_parameters: float | None = setting(None, above=0, unit="parameters")
    latency: str | None = setting(None)
    max_latency_ms: float | None = setting(None, above=0, unit="milliseconds")
    image: list[int] = setting([3, 224, 224], length=3, at_least=1)
    num_classes: int = setting(1000, at_least=1)
    factor: float = setting(1.0, above=0, at_most=100)
    stem_stride: int = setting(2, at_least=1, at_most=2)

    def check_together(self, key: str) -> None:
        """Refuse a limit of the latency without a table."""
        check_latency(self, key)


def check_latency(settings: SequenceSettings | MobileNetSettings, key: str) -> None:
    """Refuse a limit of the latency without a table.

    Raises:
        UserError: ``max_latency_ms`` is set, and ``latency`` is not.
    """
    if settings.max_latency_ms is not None and settings.latency is None:
        raise config_error(
            f"{key}.max_latency_ms", f"{settings.max_latency_ms:g}", f"null without {key}.latency"
        )


@dataclass
class TTSSettings(Settings):
    """The speech space.

    Attributes:
        width: Number of channels of a standalone network.
        phonemes: Number of phonemes of the sentence for which multiply-adds are stated.
        supernet_width: Number of channels of the supernet.
        frames: Number of mel frames of this sentence.
    """

    KEY: ClassVar[str] = "space"

    _target_: str = "seminas.spaces.tts.TTS"
    width: int = setting(256, at_least=8, unit="channels")
    phonemes: int = setting(80, at_least=1)
    supernet_width: int = setting(64, at_least=8, unit="channels")
    frames: int = setting(570, at_least=1)

    def check_together(self, key: str) -> None:
        """Refuse widths that eight heads cannot share."""
        for name, width in (("width", self.width), ("supernet_width", self.supernet_width)):
            if width % 8:
                raise config_error(f"{key}.{name}", width, "a multiple of 8")
