"""Settings of the controller (Luo et al., NeurIPS 2020, section 3): its networks and their training."""

from dataclasses import dataclass, replace
from typing import ClassVar

from seminas.config.fields import Settings, setting
from seminas.errors import config_error

ENCODERS = ("graph", "lstm", "paper")
TARGETS = ("quantile", "tail", "clip", "standard", "min_max")


@dataclass
class EncoderSettings(Settings):
    """Settings of the encoder, which maps an architecture to states.

    Attributes:
        kind: Type of the encoder. ``graph`` passes messages along and against the edges of the graph. ``lstm`` reads
            the tokens in both directions. ``paper`` is the authors' whole model, including head and decoder.
        hidden: Width of each state.
        dropout: Dropout probability in the encoder, in the head and at the decoder's input.
        layers: Number of layers.
    """

    KEY: ClassVar[str] = "controller.encoder"

    kind: str = setting("graph", choices=ENCODERS)
    hidden: int = setting(32, at_least=1)
    dropout: float = setting(0.1, at_least=0, below=1)
    layers: int = setting(2, at_least=1)


@dataclass
class HeadSettings(Settings):
    """Settings of the head, an MLP that maps the mean state to the predicted accuracy.

    Attributes:
        widths: List of the widths of the hidden layers.
        sigmoid: Whether the head ends with a sigmoid. Only ``encoder.kind=paper`` uses this setting.
    """

    KEY: ClassVar[str] = "controller.head"

    widths: list[int] = setting([32], at_least=1)
    sigmoid: bool = False


@dataclass
class TeacherSettings(Settings):
    """Settings of the teachers. They learn from labels only, and their mean gives pseudo-labels.

    Attributes:
        members: Number of teachers. Each teacher is an encoder with a head. With 1, the teacher also has the decoder
            and continues as the student, as in the paper.
        forest: Weight of a random forest on the space's features in pseudo-labels and predictions, a fraction. 0 means
            no forest.
        gaussian_process: Weight of a Gaussian process in pseudo-labels and predictions, a fraction. With 1, there are
            no other teachers. With 0, there is no process. Null means 1 for chains of choices, and 0 for other spaces,
            where graph encoders rank better.
        steps: Number of optimizer steps for up to 100 labeled architectures. For N > 100 architectures the number is
            multiplied by ``sqrt(N / 100)``.
        epochs: Number of passes over the labeled architectures, in place of ``steps``. Null means ``steps``.
        held_out: Fraction of the labeled architectures held out for early stopping. With 0, teachers learn from all
            labels, without early stopping.
        patience: Number of checks without a better rank correlation on the held-out architectures, after which a fit
            stops. A check takes place every 25 steps.
    """

    KEY: ClassVar[str] = "controller.teachers"

    members: int = setting(5, at_least=1)
    forest: float = setting(0.0, at_least=0, at_most=1)
    gaussian_process: float | None = setting(None, at_least=0, at_most=1, stays=True)
    steps: int = setting(100, at_least=1)
    epochs: int | None = setting(None, at_least=1)
    held_out: float = setting(0.0, at_least=0, below=1)
    patience: int = setting(4, at_least=1)


@dataclass
class StudentSettings(Settings):
    """Settings of the student. It learns from labels and pseudo-labels, and its decoder writes architectures.

    Attributes:
        steps: Number of optimizer steps.
        epochs: Number of passes over labeled and pseudo-labeled architectures, in place of ``steps``. Null means
            ``steps``.
        upsampling: Number of times that each labeled architecture occurs in a pass. A pseudo-labeled architecture
            occurs once.
    """

    KEY: ClassVar[str] = "controller.student"

    steps: int = setting(64, at_least=1)
    epochs: int | None = setting(None, at_least=1)
    upsampling: int = setting(10, at_least=1)


@dataclass
class TargetSettings(Settings):
    """Settings of the targets and the loss of a fit.

    Attributes:
        kind: Transform of accuracies to targets. ``quantile``: quantiles of a normal distribution, by rank. ``tail``:
            quantiles of an exponential distribution, by rank, so that differences among the best count most.
            ``clip``: z-scores, with the lower half compressed. ``standard``: z-scores. ``min_max``: a range from 0 to
            1.
        tradeoff: λ, weight of the head's squared error in the loss, a fraction. The decoder's loss has the weight 1 - λ
            (equation 3).
    """

    KEY: ClassVar[str] = "controller.targets"

    kind: str = setting("tail", choices=TARGETS)
    tradeoff: float = setting(0.8, at_least=0, at_most=1)


@dataclass
class OptimisationSettings(Settings):
    """Settings of the optimizer and its batches.

    Attributes:
        optimizer: Optimizer: ``adamw`` or ``adam``.
        schedule: Schedule of the learning rate: ``one_cycle`` or ``constant``.
        learning_rate: Highest learning rate of the schedule.
        weight_decay: Weight decay of the optimizer.
        gradient_clip: Largest norm of the gradient of a member. Larger gradients are scaled down to this norm.
        batch_size: Number of architectures in a batch. If fewer architectures exist, all of them form the batch.
        whole_batches: Whether a pass leaves out the last batch if it is incomplete.
        decoder_batch_size: Number of architectures in a batch that the decoder learns from. A smaller number saves
            time.
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
    """Section ``controller``.

    Attributes:
        encoder: Settings of the encoder.
        head: Settings of the head.
        teachers: Settings of the teachers.
        student: Settings of the student.
        targets: Settings of the targets and the loss.
        optimisation: Settings of the optimizer and its batches.
        warm_start: Whether a round of a search starts with the controller of the previous round.
        device: Device of the networks: ``cpu``, ``cuda`` (the first GPU) or ``auto``. ``auto`` is the CPU up to
            ``gpu_from`` labels, and a GPU above if there is one. On the CPU, equal seeds give equal controllers.
        gpu_from: Number of labels and pseudo-labels of a fit above which ``device=auto`` takes the GPU. The default is
            an estimate, and nobody measured it on a GPU. A default search stays below it. ``measurements/gpu.py``
            measures the number for a machine.
    """

    KEY: ClassVar[str] = "controller"

    encoder: EncoderSettings = setting(EncoderSettings)
    head: HeadSettings = setting(HeadSettings)
    teachers: TeacherSettings = setting(TeacherSettings)
    student: StudentSettings = setting(StudentSettings)
    targets: TargetSettings = setting(TargetSettings)
    optimisation: OptimisationSettings = setting(OptimisationSettings)
    warm_start: bool = False
    device: str = setting("auto", choices=("auto", "cpu", "cuda"))
    gpu_from: int = setting(20_000, at_least=1, unit="labels")

    def with_process(self, *, by_default: bool) -> "ControllerSettings":
        """Return the settings with a weight of the Gaussian process in place of null: 1 ``by_default``, or 0."""
        weight = self.teachers.gaussian_process
        weight = float(by_default) if weight is None else weight
        return replace(self, teachers=replace(self.teachers, gaussian_process=weight))

    def check_together(self, key: str) -> None:
        """Refuse several members or hidden layers with ``encoder.kind=paper``. The authors' model has one of each."""
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
