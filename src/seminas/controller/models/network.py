"""Encoder, head and decoder as one network (Luo et al., NeurIPS 2020, section 3.1).

A network may have several members. One training step trains the encoders and heads of all members. The members'
weights are stacked, except the weights of LSTMs. The decoder belongs to the first member. Shapes: n
architectures, L tokens, H hidden, E members.
"""

from typing import Any

from torch import Tensor, nn

from seminas.config.controller import ControllerSettings
from seminas.controller.models.graph import GraphEncoder
from seminas.controller.models.inputs import Inputs
from seminas.controller.models.lstm import LSTMEncoder
from seminas.controller.models.parts import Decoder, Head
from seminas.spaces.base import SearchSpace

ENCODERS = {"graph": GraphEncoder, "lstm": LSTMEncoder}


class ControllerNetwork(nn.Module):
    """An encoder, a head and a decoder.

    Attributes:
        encoder: Module that maps ``Inputs`` to ``Memory``. Its attribute ``reads`` names the views of ``Inputs`` that
            determine its result.
        head: Module that maps embeddings ``[E, n, H]`` to predictions ``[E, n]``.
        decoder: Module with the methods ``start`` and ``forward`` of ``Decoder``.
    """

    encoder: Any
    head: nn.Module
    decoder: Any

    def forward(self, inputs: Inputs, num_decoded: int | None = None) -> tuple[Tensor, Tensor]:
        """Predict accuracies, and predict each token of the sequences from the true tokens before it.

        Args:
            inputs: Architectures as tensors, n of them.
            num_decoded: Number of architectures to decode, from the first. None means all architectures.

        Returns:
            Predictions ``[E, n]`` and logits of the tokens ``[num_decoded, L, num_tokens]``.
        """
        memory = self.encoder(inputs)
        part = memory.part(1, num_decoded)
        before = nn.functional.pad(inputs.tokens[:num_decoded, :-1], (1, 0))
        logits, _ = self.decoder(before, part, self.decoder.start(part))
        return self.head(memory.embedding), logits

    def predict(self, inputs: Inputs) -> Tensor:
        """Return each member's predictions, ``[E, n]``."""
        predictions: Tensor = self.head(self.encoder(inputs).embedding)
        return predictions


class StackedNetwork(ControllerNetwork):
    """Network with the encoders and heads of several members, and one decoder."""

    def __init__(self, space: SearchSpace, settings: ControllerSettings, members: int) -> None:
        """Build the network. ``settings.encoder.kind`` must be one of ``ENCODERS``."""
        super().__init__()
        encoder = settings.encoder
        num_states = space.max_length if encoder.kind == "lstm" else space.num_vertices
        self.encoder = ENCODERS[encoder.kind](space, encoder.hidden, encoder.layers, encoder.dropout, members)
        self.head = Head(encoder.hidden, list(settings.head.widths), encoder.dropout, members)
        self.decoder = Decoder(space, num_states, encoder.hidden, encoder.dropout)
