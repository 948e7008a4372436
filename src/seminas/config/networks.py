"""Settings of the networks that our spaces build beside the architecture: their skeletons."""

from dataclasses import dataclass
from typing import ClassVar

from seminas.config.fields import Settings, setting


@dataclass
class NASBench101Network(Settings):
    """The network of stacked cells. The defaults are the benchmark's (Ying et al., ICML 2019, section 2.3).

    Attributes:
        stem_channels: After the first convolution; each stack but the first doubles them.
        num_stacks: Stacks, with a halving of the resolution between them.
        cells_per_stack: Equal cells.
        batch_norm_momentum: Weight of a batch in the running statistics. The benchmark's 0.997 is the weight of the
            old statistics, as TensorFlow counts it.
    """

    KEY: ClassVar[str] = "recipe.networks.nasbench101"

    stem_channels: int = setting(128, at_least=1)
    num_stacks: int = setting(3, at_least=1)
    cells_per_stack: int = setting(3, at_least=1)
    batch_norm_momentum: float = setting(0.003, above=0, at_most=1)


@dataclass
class NASBench201Network(Settings):
    """The network of stacked cells. The defaults are the benchmark's (Dong and Yang, ICLR 2020, section 2.1).

    Attributes:
        channels: Of the first stage; each further stage doubles them and halves the resolution.
        cells_per_stage: Equal cells.
        num_stages: With a residual block of stride 2 between them.
    """

    KEY: ClassVar[str] = "recipe.networks.nasbench201"

    channels: int = setting(16, at_least=1)
    cells_per_stage: int = setting(5, at_least=1)
    num_stages: int = setting(3, at_least=1)


@dataclass
class MobileNetNetwork(Settings):
    """The standalone mobile network, whose widths and stem are the space's.

    Attributes:
        dropout: Before the classifier.
    """

    KEY: ClassVar[str] = "recipe.networks.mobilenet"

    dropout: float = setting(0.0, at_least=0, below=1)


NETWORKS: dict[str, type[Settings]] = {
    "nasbench101": NASBench101Network,
    "nasbench201": NASBench201Network,
    "mobilenet": MobileNetNetwork,
}
"""By the name of the space."""
