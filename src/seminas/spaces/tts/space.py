"""The speech space: 6 encoder layers and 6 decoder layers with 11 operations each."""

from seminas.config.spaces import TTSSettings
from seminas.spaces.sequence import Choices, SequenceSpace
from seminas.spaces.tts.costs import summed_macs, summed_parameters
from seminas.spaces.tts.layers import HEADS, KERNELS, OPERATIONS
from seminas.spaces.tts.network import POSITIONS, Supernet, TTSNetwork, build_network


class TTS(SequenceSpace):
    """Text-to-speech networks (Luo et al., NeurIPS 2020, section on LJSpeech).

    Operations ``1`` to ``7`` are convolutions of kernel 1, 5, 9, 13, 17, 21 and 25. Operations ``8``, ``9`` and ``10``
    are Transformer layers with 2, 4 and 8 heads. Operation ``11`` is an LSTM. The space has 11^12 architectures.
    """

    def __init__(self, settings: TTSSettings | None = None) -> None:
        """Declare the space."""
        settings = settings or TTSSettings()
        self.width, self.supernet_width = settings.width, settings.supernet_width
        self.phonemes, self.frames = settings.phonemes, settings.frames
        super().__init__("tts", {name: list(OPERATIONS) for name in POSITIONS})
        self._costs = {
            "macs": summed_macs(self.width, self.phonemes, self.frames),
            "parameters": summed_parameters(self.width),
        }

    def macs(self, architecture: Choices, phonemes: int | None = None, frames: int | None = None) -> int:
        """Return the multiply-adds of the standalone network in one pass over a sentence.

        Args:
            architecture: Architecture of this space.
            phonemes, frames: Length of the sentence. None means the lengths of the settings.
        """
        cost = summed_macs(self.width, phonemes or self.phonemes, frames or self.frames)
        return cost.total(architecture)

    def build_speech_network(
        self, architecture: Choices, num_symbols: int, dropout: float = 0.1, prenet_dropout: float = 0.5
    ) -> TTSNetwork:
        """Return the standalone network of an architecture, see ``network.build_network``."""
        return build_network(self.path(architecture), num_symbols, self.width, dropout, prenet_dropout)

    def build_speech_supernet(
        self, num_symbols: int, dropout: float = 0.1, prenet_dropout: float = 0.5
    ) -> Supernet:
        """Return the supernet of the space."""
        return Supernet(num_symbols, self.supernet_width, dropout, prenet_dropout)

    def path(self, architecture: Choices) -> list[str]:
        """Return the operation of an architecture at each of the 12 positions."""
        return self._written(architecture)

    def extremes(self) -> tuple[Choices, Choices]:
        """Return the architectures with the most and the fewest parameters."""
        transformer, smallest = OPERATIONS.index("9"), OPERATIONS.index("1")
        return (transformer,) * len(POSITIONS), (smallest,) * len(POSITIONS)

    def vertex_names(self, architecture: Choices) -> list[str]:
        """Return the kind of each layer, such as ``conv 5``, ``4 heads`` or ``LSTM``."""
        kinds = {
            **{o: f"conv {k}" for o, k in KERNELS.items()},
            **{o: f"{h} heads" for o, h in HEADS.items()},
        }
        return [kinds.get(operation, "LSTM") for operation in self._written(architecture)]
