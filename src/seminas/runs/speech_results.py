"""Results of runs on speech."""

from dataclasses import dataclass
from typing import ClassVar, TypedDict

from seminas.runs.results import Result
from seminas.storage.values import Json


@dataclass(frozen=True)
class SpeechResult(Result):
    """The result of ``seminas-train`` on speech.

    Attributes:
        objective: Name of the measure that chose the weights that are kept, without the name of a split.
        val, test: Measures of these weights on validation and test utterances by name.
        architecture: Trained architecture, in the JSON form of its space.
        key: Key of the architecture.
        epochs, steps: Length of the training in epochs and in optimizer steps.
        skipped: Number of utterances that cannot be used, by reason.
        unknown_phonemes: Number of phonemes in validation and test that no training utterance has.
        parameters: Number of trainable parameters of the network, with the embedding of phonemes.
        macs: Number of multiply-adds for a sentence of the mean length.
    """

    KIND: ClassVar[str] = "speech"

    objective: str
    val: dict[str, float]
    test: dict[str, float]
    architecture: Json
    key: str
    epochs: int
    steps: int
    skipped: dict[str, int]
    unknown_phonemes: int
    parameters: int
    macs: int

    @property
    def value(self) -> float:
        """The objective on the validation utterances, a fraction."""
        return self.val[self.objective]


class MeasuredSpeech(TypedDict):
    """A text-to-speech architecture that was measured with the weights of a supernet.

    Attributes:
        key: Name of the architecture in its space.
        architecture: Architecture in the JSON form of its space.
        values: Measures of validation utterances by name.
    """

    key: str
    architecture: Json
    values: dict[str, float]


@dataclass(frozen=True)
class SpeechSupernetResult(Result):
    """The result of ``seminas-supernet`` on speech.

    Attributes:
        metric_name: Name of the metric that a search with this supernet maximizes.
        mean: Mean of each measure of the measured architectures by name.
        measured: Measured architectures with their measures.
    """

    KIND: ClassVar[str] = "speech_supernet"

    metric_name: str
    mean: dict[str, float]
    measured: list[MeasuredSpeech]

    @property
    def value(self) -> float:
        """The mean value of the metric, a fraction."""
        return self.mean[self.metric_name]
