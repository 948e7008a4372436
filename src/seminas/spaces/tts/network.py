"""Text-to-speech networks of the speech space, and their weight-sharing supernet."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from seminas.spaces.tts.layers import (
    OPERATIONS,
    DecoderLayer,
    Memory,
    decoder_layer,
    encoder_layer,
    initialise,
)
from seminas.spaces.tts.parts import Prenet, State, positions

NUM_MELS = 80
"""Number of mel bins of a frame."""
PRENET = 32
"""Width of the decoder's pre-net."""
ENCODER_LAYERS = DECODER_LAYERS = 6
POSITIONS = [f"{part}{i}" for part in ("encoder", "decoder") for i in range(1, ENCODER_LAYERS + 1)]
"""Names of the 12 searched positions."""


class Spoken(NamedTuple):
    """Output of a network for n sentences.

    Attributes:
        mel: Mel frames ``[n, t, NUM_MELS]``.
        stop: Logits that a frame is the last one, ``[n, t]``.
        attention: Attention weights over the phonemes of each decoder layer, ``[n, heads, t, s]``.
        lengths: Number of frames of each sentence, ``[n]``.
    """

    mel: Tensor
    stop: Tensor
    attention: list[Tensor]
    lengths: Tensor


class Frame(nn.Module):
    """The parts of a network that are not searched.

    Attributes:
        width: c, the number of channels.
    """

    def __init__(self, num_symbols: int, width: int, dropout: float, prenet_dropout: float) -> None:
        super().__init__()
        self.width = width
        self.embedding = nn.Embedding(num_symbols, width)
        self.prenet = Prenet(NUM_MELS, PRENET, width, prenet_dropout)
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.output = nn.Linear(width, NUM_MELS + 1, bias=False)
        self.dropout = nn.Dropout(dropout)

    def reset(self) -> None:
        """Initialize the parameters."""
        initialise(self)
        nn.init.normal_(self.embedding.weight, 0.0, self.width**-0.5)


class TTSNetwork(nn.Module):
    """A network that maps phonemes to mel frames, one frame after the other (Li et al., AAAI 2019)."""

    def __init__(self, frame: Frame, encoder: Iterable[nn.Module], decoder: Iterable[nn.Module]) -> None:
        """Join the parts of a network. They may belong to a supernet too."""
        super().__init__()
        self.frame = frame
        self.encoder, self.decoder = nn.ModuleList(encoder), nn.ModuleList(decoder)

    @property
    def width(self) -> int:
        """Number of channels."""
        return self.frame.width

    def encode(self, phonemes: Tensor, lengths: Tensor) -> Memory:
        """Return the encoder's output for phonemes ``[n, s]``, of which each sentence has ``lengths``, ``[n]``."""
        mask = torch.arange(phonemes.shape[1], device=phonemes.device) < lengths[:, None]
        x = self.frame.embedding(phonemes) * self.width**0.5
        x = self.frame.dropout(x + positions(0, x.shape[1], self.width, x))
        for layer in self.encoder:
            x = layer(x, mask)
        return Memory(self.frame.encoder_norm(x) * mask[:, :, None], mask)

    def start(self, memory: Memory) -> list[State]:
        """Return the state of each decoder layer at the begin of a sequence."""
        return [layer.start(memory) for layer in self._decoder()]

    def advance(
        self, frames: Tensor, states: Sequence[State], start: int
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Return the next frames, stop logits and attention weights, and update the states.

        Args:
            frames: Frames before the frames to compute, ``[n, t, NUM_MELS]``. The first one of a sequence is zero.
            states: State of each decoder layer.
            start: Number of frames that the states have seen.

        Returns:
            Mel frames ``[n, t, NUM_MELS]``, stop logits ``[n, t]``, and attention weights ``[n, heads, t, s]`` of each
            decoder layer.
        """
        x = self.frame.prenet(frames)
        x = self.frame.dropout(x + positions(start, x.shape[1], self.width, x))
        attention = []
        for layer, state in zip(self._decoder(), states, strict=True):
            x, weights = layer(x, state)
            attention.append(weights)
        y = self.frame.output(self.frame.decoder_norm(x))
        return y[..., :NUM_MELS], y[..., NUM_MELS], attention

    def forward(self, phonemes: Tensor, lengths: Tensor, mel: Tensor, mel_lengths: Tensor) -> Spoken:
        """Return the prediction of each frame from the true frames before it.

        Args:
            phonemes: Symbols ``[n, s]``.
            lengths: Number of phonemes of each sentence, ``[n]``.
            mel: True frames ``[n, t, NUM_MELS]``.
            mel_lengths: Number of frames of each sentence, ``[n]``.
        """
        before = torch.cat([torch.zeros_like(mel[:, :1]), mel[:, :-1]], dim=1)
        predicted, stop, attention = self.advance(before, self.start(self.encode(phonemes, lengths)), 0)
        return Spoken(predicted, stop, attention, mel_lengths)

    @torch.no_grad()
    def decode(self, phonemes: Tensor, lengths: Tensor, most: Tensor) -> Spoken:
        """Return spoken sentences. Each frame depends on the predicted frames before it.

        A sentence ends with the first frame whose stop logit is positive.

        Args:
            phonemes: Symbols ``[n, s]``.
            lengths: Number of phonemes of each sentence, ``[n]``.
            most: Largest number of frames of each sentence, ``[n]``.
        """
        states = self.start(self.encode(phonemes, lengths))
        frame = self.frame.output.weight.new_zeros(len(phonemes), 1, NUM_MELS)
        mels, stops, attentions = [], [], []
        ends = most.clone()
        for t in range(int(most.max())):
            frame, stop, attention = self.advance(frame, states, t)
            mels.append(frame)
            stops.append(stop)
            attentions.append(attention)
            ends = torch.where((stop[:, 0] > 0) & (ends > t + 1), t + 1, ends)
            if int(ends.max()) <= t + 1:
                break
        layers = [torch.cat(weights, dim=2) for weights in zip(*attentions, strict=True)]
        return Spoken(torch.cat(mels, dim=1), torch.cat(stops, dim=1), layers, ends)

    def _decoder(self) -> Iterable[DecoderLayer]:
        return self.decoder  # type: ignore[return-value]


def build_network(
    operations: Sequence[str],
    num_symbols: int,
    width: int = 256,
    dropout: float = 0.1,
    prenet_dropout: float = 0.5,
) -> TTSNetwork:
    """Return the network of an architecture.

    Args:
        operations: Operation of each of the 12 positions, ``1`` to ``11``.
        num_symbols: Number of phonemes and other symbols.
        width: c, the number of channels.
        dropout: Dropout probability of each sublayer in training.
        prenet_dropout: Dropout probability of the decoder's pre-net, always on.
    """
    frame = Frame(num_symbols, width, dropout, prenet_dropout)
    encoder = [encoder_layer(o, width, dropout) for o in operations[:ENCODER_LAYERS]]
    decoder = [decoder_layer(o, width, dropout) for o in operations[ENCODER_LAYERS:]]
    network = TTSNetwork(frame, encoder, decoder)
    initialise(network)
    frame.reset()
    return network


class Supernet(nn.Module):
    """A network that contains every operation at each position. All networks of the space share its weights.

    A path has one operation at each position. Only the parameters of a path get a gradient from it.
    """

    def __init__(
        self, num_symbols: int, width: int = 64, dropout: float = 0.1, prenet_dropout: float = 0.5
    ) -> None:
        """Build the supernet. ``build_network`` explains the arguments."""
        super().__init__()
        self.frame = Frame(num_symbols, width, dropout, prenet_dropout)
        self.layers = nn.ModuleDict(
            {
                name: nn.ModuleDict(
                    {
                        o: (encoder_layer if i < ENCODER_LAYERS else decoder_layer)(o, width, dropout)
                        for o in OPERATIONS
                    }
                )
                for i, name in enumerate(POSITIONS)
            }
        )
        initialise(self)
        self.frame.reset()

    @property
    def width(self) -> int:
        """Number of channels."""
        return self.frame.width

    def standalone(self, operations: Sequence[str]) -> TTSNetwork:
        """Return a path as a separate network that shares the supernet's parameters."""
        path = [
            choices[operation]  # type: ignore[index]
            for operation, choices in zip(operations, self.layers.values(), strict=True)
        ]
        return TTSNetwork(self.frame, path[:ENCODER_LAYERS], path[ENCODER_LAYERS:])

    def forward(
        self, phonemes: Tensor, lengths: Tensor, mel: Tensor, mel_lengths: Tensor, operations: Sequence[str]
    ) -> Spoken:
        """Return the prediction of a path, see ``TTSNetwork.forward``."""
        spoken: Spoken = self.standalone(operations)(phonemes, lengths, mel, mel_lengths)
        return spoken
