"""Costs of speech networks as sums over their layers.

Multiply-adds are for given numbers of phonemes and frames. Parameters are without the embedding of phonemes.
"""

from typing import Any

from seminas.spaces.capabilities import BuildsSpeechNetworks
from seminas.spaces.cost import count_parameters
from seminas.spaces.exact import CostSum
from seminas.spaces.tts.layers import HEADS, KERNELS, OPERATIONS
from seminas.spaces.tts.network import ENCODER_LAYERS, NUM_MELS, POSITIONS, PRENET
from seminas.spaces.tts.parts import EXPANSION, FEED_FORWARD_KERNEL


def fixed_macs(width: int, frames: int) -> int:
    """Return the multiply-adds of the pre-net and of the output layer."""
    return frames * (NUM_MELS * PRENET + PRENET**2 + PRENET * width + width * (NUM_MELS + 1))


def layer_macs(operation: str, in_decoder: bool, width: int, phonemes: int, frames: int) -> int:
    """Return the multiply-adds of a layer in one pass over a sentence.

    Attention counts all pairs of positions, as a pass over the whole sentence computes them. LSTMs are counted too.
    """
    length = frames if in_decoder else phonemes
    c2 = width**2
    if operation in KERNELS:
        macs = length * KERNELS[operation] * c2
    elif operation in HEADS:
        macs = attention_macs(width, length, length)
        macs += length * EXPANSION * c2 * (FEED_FORWARD_KERNEL + 1)
    else:
        macs = length * 8 * c2 * (1 if in_decoder else 2)
        macs += 0 if in_decoder else length * 2 * c2
    return macs + (attention_macs(width, length, phonemes) if in_decoder else 0)


def attention_macs(width: int, queries: int, memory: int) -> int:
    """Return the multiply-adds of attention: two projections of queries, two of the memory, and two products."""
    return 2 * width**2 * (queries + memory) + 2 * width * queries * memory


def summed_macs(width: int, phonemes: int, frames: int) -> CostSum:
    """Return the multiply-adds of the networks in one pass over a sentence of so many phonemes and frames."""
    layers = [
        [layer_macs(o, i >= ENCODER_LAYERS, width, phonemes, frames) for o in OPERATIONS]
        for i in range(len(POSITIONS))
    ]
    return CostSum(layers, fixed_macs(width, frames))


def layer_parameters(operation: str, in_decoder: bool, width: int) -> int:
    """Return the trainable parameters of a layer."""
    norm, attention = 2 * width, 4 * width**2
    parameters = norm
    if operation in KERNELS:
        parameters += (
            width**2 * KERNELS[operation] + 2 * width
        )  # Weight normalisation has a norm for each channel.
    elif operation in HEADS:
        hidden = EXPANSION * width
        parameters += attention + norm + hidden * (FEED_FORWARD_KERNEL * width + 1) + hidden * width + width
    else:
        directions = 1 if in_decoder else 2
        parameters += directions * (
            8 * width**2 + 8 * width
        )  # Each of four gates reads two vectors, with two biases.
        parameters += 0 if in_decoder else 2 * width**2 + width
    return parameters + (norm + attention if in_decoder else 0)


def summed_parameters(width: int) -> CostSum:
    """Return the trainable parameters of the networks without the embedding of phonemes.

    The embedding has ``width`` parameters for each symbol. The number of symbols belongs to the data.
    """
    prenet = NUM_MELS * PRENET + PRENET + PRENET**2 + PRENET + PRENET * width
    fixed = prenet + 2 * 2 * width + width * (NUM_MELS + 1)
    layers = [
        [layer_parameters(o, i >= ENCODER_LAYERS, width) for o in OPERATIONS] for i in range(len(POSITIONS))
    ]
    return CostSum(layers, fixed)


def described(
    space: BuildsSpeechNetworks[Any], architecture: Any, phonemes: int, frames: int
) -> dict[str, int | list[int]]:
    """Return the parameters and the multiply-adds of a network by name.

    The parameters exclude the embedding of phonemes, because their number belongs to the data. ``parameters_of_layers``
    has a number for each searched layer.
    """
    network: Any = space.build_speech_network(architecture, 0)
    layers = [*network.encoder, *network.decoder]
    return {
        "phonemes": phonemes,
        "frames": frames,
        "parameters": count_parameters(network),
        "parameters_of_layers": [count_parameters(layer) for layer in layers],
        "parameters_per_symbol": network.width,
        "macs": space.macs(architecture, phonemes, frames),
    }
