"""Settings of how a network is trained."""

from dataclasses import asdict, dataclass, field, fields, make_dataclass
from typing import Any, ClassVar

from omegaconf import II, MISSING

from seminas.config.fields import Settings, setting
from seminas.config.networks import NETWORKS
from seminas.errors import config_error

SCHEDULES = ("one_cycle", "cosine", "exponential", "constant")
AUGMENTATIONS = ("paper", "randaugment", "flip")


@dataclass
class Recipe(Settings):
    """SGD on a schedule of learning rates.

    Attributes:
        epochs: Passes over the training images.
        learning_rate: Peak of the schedule.
        weight_decay: Of the parameters.
        per_batch: Global batch that ``learning_rate`` is for; it grows in proportion to the batch. Null: any batch.
        schedule: ``one_cycle``, ``cosine`` to zero, ``exponential`` by ``gamma`` an epoch, or ``constant``.
        gamma: Factor of an exponential schedule.
        warmup_epochs: Linear rise before a cosine.
        momentum: Of SGD.
        nesterov: Whether the momentum is Nesterov's.
        decay_norms: Whether BatchNorm's parameters and biases decay too.
        label_smoothing: Of the cross-entropy in training.
        mixup: α of the Beta distribution that pairs of images are mixed by (Zhang et al., ICLR 2018); 0 is none.
        ema: Decay of the running mean of weights that is evaluated and exported; 0 is none.
        gradient_clip: Norm at which gradients are clipped; null: none.
        augmentation: Of images in folders and shards: ``paper`` (crops, flips, colour jitter), ``randaugment``,
            ``flip``.
        channels_last: Whether images and weights have that memory format.
        compile: Whether the network is compiled by ``torch.compile``.
        networks: Skeletons of each space's networks, by the space's name; see ``seminas.config.networks``.
    """

    KEY: ClassVar[str] = "recipe"

    epochs: int = setting(MISSING, at_least=1, unit="epochs")
    learning_rate: float = setting(MISSING, above=0)
    weight_decay: float = setting(MISSING, at_least=0)
    per_batch: int | None = setting(None, at_least=1, unit="images")
    schedule: str = setting("one_cycle", choices=SCHEDULES)
    gamma: float = setting(0.97, above=0)
    warmup_epochs: float = setting(0.0, at_least=0, unit="epochs")
    momentum: float = setting(0.9, at_least=0, below=1)
    nesterov: bool = True
    decay_norms: bool = True
    label_smoothing: float = setting(0.0, at_least=0, below=1)
    mixup: float = setting(0.0, at_least=0)
    ema: float = setting(0.0, at_least=0, below=1)
    gradient_clip: float | None = setting(None, above=0)
    augmentation: str = setting("paper", choices=AUGMENTATIONS)
    channels_last: bool = False
    compile: bool = False
    networks: dict[str, Any] = setting({name: asdict(kind()) for name, kind in NETWORKS.items()})

    def check_together(self, key: str) -> None:
        """Nesterov's momentum needs a momentum; a space's networks take keyword arguments."""
        if self.nesterov and not self.momentum:
            raise config_error(f"{key}.momentum", self.momentum, f"above 0 with {key}.nesterov=true")
        for name, arguments in self.networks.items():
            if not isinstance(arguments, dict):
                raise config_error(f"{key}.networks.{name}", arguments, "a group of keys")


RecipeOfData = make_dataclass(
    "RecipeOfData", [(f.name, f.type, field(default=II(f"data.recipe.{f.name}"))) for f in fields(Recipe)]
)
"""What ``recipe=data`` is: each value is the one of the same name in ``data.recipe``, unless it is overridden."""
