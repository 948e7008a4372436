"""Settings of network skeletons: the parts of a network that do not depend on the architecture."""

from dataclasses import dataclass
from typing import ClassVar

from seminas.config.fields import Settings, setting


@dataclass
class NASBench101Network(Settings):
    """Network of stacked cells. The defaults are the benchmark's (Ying et al., ICML 2019, section 2.3).

    Attributes:
        stem_channels: Number of channels after the first convolution. Each stack after the first doubles this number.
        num_stacks: Number of stacks of cells. The resolution is halved between two stacks.
        cells_per_stack: Number of equal cells in each stack.
        batch_norm_momentum: Weight of a new batch in BatchNorm's running statistics. The benchmark states 0.997,
            because TensorFlow states the weight of the old statistics.
    """

    KEY: ClassVar[str] = "recipe.networks.nasbench101"

    stem_channels: int = setting(128, at_least=1)
    num_stacks: int = setting(3, at_least=1)
    cells_per_stack: int = setting(3, at_least=1)
    batch_norm_momentum: float = setting(0.003, above=0, at_most=1)


@dataclass
class NASBench201Network(Settings):
    """Network of stacked cells. The defaults are the benchmark's (Dong and Yang, ICLR 2020, section 2.1).

    Attributes:
        channels: Number of channels in the first stage. Each later stage doubles this number and halves the resolution.
        cells_per_stage: Number of equal cells in each stage.
        num_stages: Number of stages. A residual block of stride 2 lies between two stages.
    """

    KEY: ClassVar[str] = "recipe.networks.nasbench201"

    channels: int = setting(16, at_least=1)
    cells_per_stage: int = setting(5, at_least=1)
    num_stages: int = setting(3, at_least=1)


@dataclass
class MobileNetNetwork(Settings):
    """Standalone network of the mobile space. The settings of the space determine the widths and the stem.

    Attributes:
        dropout: Dropout probability before the classifier.
    """

    KEY: ClassVar[str] = "recipe.networks.mobilenet"

    dropout: float = setting(0.0, at_least=0, below=1)


@dataclass
class TTSNetwork(Settings):
    """Network of the speech space. The settings of the space determine its width.

    Attributes:
        dropout: Dropout probability of each sublayer in training.
        prenet_dropout: Dropout probability of the decoder's pre-net. It is always on.
    """

    KEY: ClassVar[str] = "recipe.networks.tts"

    dropout: float = setting(0.1, at_least=0, below=1)
    prenet_dropout: float = setting(0.5, at_least=0, below=1)


NETWORKS: dict[str, type[Settings]] = {
    "nasbench101": NASBench101Network,
    "nasbench201": NASBench201Network,
    "mobilenet": MobileNetNetwork,
    "tts": TTSNetwork,
}
"""Settings class of the skeleton of each space, by the name of the space."""
