"""Settings of a training recipe: optimizer, schedule, loss and augmentation."""

from dataclasses import asdict, dataclass, field, fields, make_dataclass
from typing import Any, ClassVar

from omegaconf import II, MISSING

from seminas.config.fields import Settings, setting
from seminas.config.networks import NETWORKS
from seminas.errors import config_error

INVERSE_SQRT = "inverse_sqrt"
STABLE = "warmup_stable_decay"
ENDLESS_SCHEDULES = ("exponential", "constant", INVERSE_SQRT)
"""Schedules of the learning rate that do not depend on the end of the training."""
SCHEDULES = ("one_cycle", "cosine", STABLE, *ENDLESS_SCHEDULES)
AUGMENTATIONS = ("paper", "randaugment", "flip")


@dataclass
class Recipe(Settings):
    """Training of a network, by SGD on images and by Adam on speech, with a schedule of the learning rate.

    Attributes:
        epochs: Number of passes over the training images.
        learning_rate: Highest learning rate of the schedule.
        weight_decay: Weight decay of the parameters.
        per_batch: Number of images in the global batch to which ``learning_rate`` applies. For another global batch the
            learning rate is scaled in proportion. Null means no scaling.
        schedule: Schedule of the learning rate: ``one_cycle``, ``cosine`` (falls to zero), ``exponential`` (multiplied
            by ``gamma`` after each epoch), ``constant``, or ``inverse_sqrt`` (rises for ``warmup_steps`` steps and then
            falls with the square root of the steps; Vaswani et al., NeurIPS 2017, section 5.3).
            ``warmup_stable_decay`` rises for ``warmup_epochs``, stays, and falls to zero in the last epochs (Hu et al.,
            MiniCPM, 2024; Hägele et al., NeurIPS 2024).
        decay_share: Share of the epochs in which the ``warmup_stable_decay`` schedule falls. It is rounded to whole
            epochs, at least one.
        gamma: Factor of the ``exponential`` schedule for each epoch.
        warmup_epochs: Number of epochs of the linear rise before the ``cosine`` schedule.
        warmup_steps: Number of optimizer steps of the linear rise of the ``inverse_sqrt`` schedule.
        momentum: Momentum of SGD, or the first beta of Adam, which trains speech.
        nesterov: Whether SGD uses Nesterov's momentum.
        decay_norms: Whether weight decay also applies to biases and BatchNorm parameters.
        label_smoothing: Label smoothing of the cross-entropy in training, a fraction.
        mixup: Parameter α of the Beta distribution for mixing pairs of images (Zhang et al., ICLR 2018). 0 means no
            mixup.
        ema: Decay of the exponential moving average of the weights, which is evaluated and exported. 0 means no
            average.
        gradient_clip: Largest norm of the gradient. Larger gradients are scaled down to this norm. Null means no limit.
        augmentation: Augmentation of images in folders and shards: ``paper`` (crops, flips, color jitter),
            ``randaugment`` (crops, flips, RandAugment) or ``flip`` (flips only).
        channels_last: Whether images and weights use PyTorch's memory format ``channels_last``. Null means yes on a
            GPU, and no on a CPU.
        compile: Whether ``torch.compile`` compiles the network.
        networks: Network skeletons by the name of the space, see ``seminas.config.networks``.
    """

    KEY: ClassVar[str] = "recipe"

    epochs: int = setting(MISSING, at_least=1, unit="epochs")
    learning_rate: float = setting(MISSING, above=0)
    weight_decay: float = setting(MISSING, at_least=0)
    per_batch: int | None = setting(None, at_least=1, unit="images")
    schedule: str = setting("one_cycle", choices=SCHEDULES)
    gamma: float = setting(0.97, above=0)
    decay_share: float = setting(0.2, above=0, at_most=1)
    warmup_epochs: float = setting(0.0, at_least=0, unit="epochs")
    warmup_steps: int = setting(4000, at_least=1, unit="steps")
    momentum: float = setting(0.9, at_least=0, below=1)
    nesterov: bool = True
    decay_norms: bool = True
    label_smoothing: float = setting(0.0, at_least=0, below=1)
    mixup: float = setting(0.0, at_least=0)
    ema: float = setting(0.0, at_least=0, below=1)
    gradient_clip: float | None = setting(None, above=0)
    augmentation: str = setting("paper", choices=AUGMENTATIONS)
    channels_last: bool | None = None
    compile: bool = False
    networks: dict[str, Any] = setting({name: asdict(kind()) for name, kind in NETWORKS.items()})

    def decay_epochs(self, epochs: int) -> int:
        """Return the number of last epochs in which ``warmup_stable_decay`` falls, of a training of so many epochs."""
        return max(1, round(self.decay_share * epochs))

    def check_together(self, key: str) -> None:
        """Refuse Nesterov's momentum without momentum, and a network skeleton that is not a mapping."""
        if self.nesterov and not self.momentum:
            raise config_error(f"{key}.momentum", self.momentum, f"above 0 with {key}.nesterov=true")
        for name, arguments in self.networks.items():
            if not isinstance(arguments, dict):
                raise config_error(f"{key}.networks.{name}", arguments, "a group of keys")


RecipeOfData = make_dataclass(
    "RecipeOfData", [(f.name, f.type, field(default=II(f"data.recipe.{f.name}"))) for f in fields(Recipe)]
)
"""Settings class of ``recipe=data``. Each value equals the value in ``data.recipe``, unless the user overrides it."""
