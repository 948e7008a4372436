"""Encoder, head and decoder as one network (Luo et al., NeurIPS 2020, section 3.1).

Several members are stacked: their encoders and heads are trained side by side in one computation. The decoder belongs
to the first member. Shapes: n architectures, L tokens, H hidden, E members.
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
        encoder: ``Inputs`` to ``Memory``; its ``reads`` names the views that say all that it reads.
        head: Embeddings ``[E, n, H]`` to predictions ``[E, n]``.
        decoder: With ``start`` and ``forward`` as ``Decoder`` has them.
    """

    encoder: Any
    head: nn.Module
    decoder: Any

    def forward(self, inputs: Inputs, num_decoded: int | None = None) -> tuple[Tensor, Tensor]:
        """Predict accuracies and write the sequences again, each token after the right ones before it.

        Args:
            inputs: n architectures.
            num_decoded: How many of them, from the first, are decoded; all by default.

        Returns:
            Predictions ``[E, n]`` and logits ``[num_decoded, L, num_tokens]``.
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
    """Encoders and heads of several members, and one decoder."""

    def __init__(self, space: SearchSpace[Any], settings: ControllerSettings, members: int) -> None:
        """Build the network; ``settings.encoder.kind`` is one of ``ENCODERS``."""
        super().__init__()
        encoder = settings.encoder
        num_states = space.max_length if encoder.kind == "lstm" else space.num_vertices
        self.encoder = ENCODERS[encoder.kind](space, encoder.hidden, encoder.layers, encoder.dropout, members)
        self.head = Head(encoder.hidden, list(settings.head.widths), encoder.dropout, members)
        self.decoder = Decoder(space, num_states, encoder.hidden, encoder.dropout)
