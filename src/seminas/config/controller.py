"""Settings of the controller (Luo et al., NeurIPS 2020, section 3): its model, and how it is fitted."""

from dataclasses import dataclass
from typing import ClassVar

from seminas.config.fields import Settings, setting
from seminas.errors import config_error

ENCODERS = ("graph", "lstm", "paper")
TARGETS = ("quantile", "tail", "standard", "min_max")


@dataclass
class EncoderSettings(Settings):
    """The encoder, which turns an architecture into states.

    Attributes:
        kind: ``graph`` passes messages along and against the edges, ``lstm`` reads the tokens in both directions,
            ``paper`` is the authors' whole model.
        hidden: Width of every state.
        layers: Layers.
        dropout: In the encoder, the head and the decoder's input.
    """

    KEY: ClassVar[str] = "controller.encoder"

    kind: str = setting("graph", choices=ENCODERS)
    hidden: int = setting(32, at_least=1)
    layers: int = setting(2, at_least=1)
    dropout: float = setting(0.1, at_least=0, below=1)


@dataclass
class HeadSettings(Settings):
    """The head: an MLP from the mean state to the predicted accuracy.

    Attributes:
        widths: Of its hidden layers.
        sigmoid: Whether the head of ``encoder.kind=paper`` ends in a sigmoid.
    """

    KEY: ClassVar[str] = "controller.head"

    widths: list[int] = setting([32], at_least=1)
    sigmoid: bool = False


@dataclass
class TeacherSettings(Settings):
    """The teachers, which learn from labels alone and label other architectures.

    Attributes:
        members: Teachers, each an encoder with a head. Their mean labels other architectures. With 1, the teacher also
            has the decoder and goes on as the student, as in the paper.
        forest: Weight of a random forest on the space's features in the teachers' mean and in predictions; 0 is none.
        steps: Optimizer steps on up to 100 labeled architectures. N of them get ``sqrt(N / 100)`` times as many.
        epochs: Passes over the labeled architectures, in place of ``steps``.
        held_out: Fraction of the labeled architectures that stops the fit early; 0 fits on all.
        patience: Checks without a better rank correlation on those held out, one every 25 steps.
    """

    KEY: ClassVar[str] = "controller.teachers"

    members: int = setting(5, at_least=1)
    forest: float = setting(0.0, at_least=0, at_most=1)
    steps: int = setting(100, at_least=1)
    epochs: int | None = setting(None, at_least=1)
    held_out: float = setting(0.0, at_least=0, below=1)
    patience: int = setting(4, at_least=1)


@dataclass
class StudentSettings(Settings):
    """The student, which learns from labels and pseudo-labels, and writes architectures.

    Attributes:
        steps: Optimizer steps.
        epochs: Passes over labeled and pseudo-labeled architectures, in place of ``steps``.
        upsampling: How often a labeled architecture counts beside pseudo-labeled ones.
    """

    KEY: ClassVar[str] = "controller.student"

    steps: int = setting(64, at_least=1)
    epochs: int | None = setting(None, at_least=1)
    upsampling: int = setting(10, at_least=1)


@dataclass
class TargetSettings(Settings):
    """What the model is fitted to.

    Attributes:
        kind: ``quantile`` (of a normal distribution, by rank), ``tail`` (of an exponential one, by rank, so that
            differences among the best count most), ``standard`` (z-scores) or ``min_max`` (0 to 1).
        tradeoff: λ, weight of the head's squared error against the decoder's loss (equation 3).
    """

    KEY: ClassVar[str] = "controller.targets"

    kind: str = setting("tail", choices=TARGETS)
    tradeoff: float = setting(0.8, at_least=0, at_most=1)


@dataclass
class OptimisationSettings(Settings):
    """The optimizer and its batches.

    Attributes:
        optimizer: ``adamw`` or ``adam``.
        schedule: Of the learning rate, ``one_cycle`` or ``constant``.
        learning_rate: Peak of the schedule.
        weight_decay: Of the optimizer.
        gradient_clip: Norm at which gradients are clipped.
        batch_size: Architectures a step, all of them where there are fewer.
        whole_batches: Whether a pass leaves out the rest that fills no batch.
        decoder_batch_size: Architectures of a batch that the decoder, the slow part, learns from.
    """

    KEY: ClassVar[str] = "controller.optimisation"

    optimizer: str = setting("adamw", choices=("adamw", "adam"))
    schedule: str = setting("one_cycle", choices=("one_cycle", "constant"))
    learning_rate: float = setting(1e-2, above=0)
    weight_decay: float = setting(1e-2, at_least=0, at_most=1)
    gradient_clip: float = setting(5.0, above=0)
    batch_size: int = setting(32, at_least=1)
    whole_batches: bool = True
    decoder_batch_size: int = setting(32, at_least=1)


@dataclass
class ControllerSettings(Settings):
    """The ``controller`` section.

    Attributes:
        encoder, head, teachers, student, targets, optimisation: See the class of each.
        warm_start: Whether a search goes on with the controller of its last round.
    """

    KEY: ClassVar[str] = "controller"

    encoder: EncoderSettings = setting(EncoderSettings)
    head: HeadSettings = setting(HeadSettings)
    teachers: TeacherSettings = setting(TeacherSettings)
    student: StudentSettings = setting(StudentSettings)
    targets: TargetSettings = setting(TargetSettings)
    optimisation: OptimisationSettings = setting(OptimisationSettings)
    warm_start: bool = False

    def check_together(self, key: str) -> None:
        """The authors' model has one member and a head of one hidden layer."""
        if self.encoder.kind != "paper":
            return
        if self.teachers.members > 1:
            raise config_error(
                f"{key}.teachers.members", self.teachers.members, f"1 with {key}.encoder.kind=paper"
            )
        if len(self.head.widths) != 1:
            raise config_error(
                f"{key}.head.widths", self.head.widths, f"one width with {key}.encoder.kind=paper"
            )
