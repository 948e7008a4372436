"""New architectures from a fitted controller: up the head's gradient, then decoded."""

from collections.abc import Collection, Iterator, Sequence

import torch
from torch import Tensor

from seminas.config.strategies import SemiNASSettings
from seminas.controller.fitted import Controller
from seminas.controller.models.inputs import Memory, as_inputs, memorise, normalise
from seminas.controller.models.network import ControllerNetwork
from seminas.controller.threads import one_thread
from seminas.spaces.base import A, SearchSpace


@one_thread()
def improve(
    controller: Controller[A], seeds: Sequence[A], wanted: int, seen: Collection[A], settings: SemiNASSettings
) -> list[A]:
    """Move architectures up the head's gradient and decode them (Luo et al., section 3.1).

    The step η grows by ``settings.step_size`` until enough new architectures have been written.

    Args:
        controller: A fitted one.
        seeds: Architectures to start from.
        wanted: How many to stop at.
        seen: Architectures that are not new.
        settings: Steps. With ``better``, an architecture counts only if it is predicted better than its seed: the rest
            is the decoder's error, and no improvement.

    Returns:
        Distinct new architectures: best predicted first with ``better``, and otherwise in the order of the steps. They
        are fewer than ``wanted`` if the largest step has been reached, and more if one step gave several.
    """
    scores: dict[A, float] = {}
    before = controller.mean_scores(seeds)
    with torch.no_grad():
        memory = controller.student.encoder(as_inputs(controller.space, seeds))
    for step in moved(controller.student, memory, settings):
        decoded = controller.space.decode(write(controller.space, controller.student, step).numpy())
        new = [
            (a, start) for a, start in zip(decoded, before, strict=True) if a is not None and a not in seen
        ]
        after = controller.mean_scores([a for a, _ in new])
        scores |= {
            a: float(y) for (a, start), y in zip(new, after, strict=True) if y > start or not settings.better
        }
        if len(scores) >= wanted:
            break
    return sorted(scores, key=lambda a: -scores[a]) if settings.better else list(scores)


def moved(network: ControllerNetwork, memory: Memory, settings: SemiNASSettings) -> Iterator[Memory]:
    """Yield the states after steps of ``step_size``, twice that, and so on: normalise(h + η g).

    g is the gradient of the prediction by the states. It is scaled to the states' length, in the root mean square
    over an architecture, so that η means the same for every fit; with ``raw_gradient`` it is left as it is.
    """
    states = memory.states.detach().requires_grad_(True)
    with torch.enable_grad():
        prediction = network.head(memory._replace(states=states).embedding).sum()
        (gradient,) = torch.autograd.grad(prediction, states)
    if not settings.raw_gradient:
        length = memory.length * gradient.shape[-2] ** 0.5
        gradient = normalise(gradient.flatten(-2), length).view_as(gradient)
    for k in range(1, settings.max_steps + 1):
        step = memory.states + k * settings.step_size * gradient
        yield memorise(step, memory.mask, memory.length)


@torch.inference_mode()
def write(space: SearchSpace[A], network: ControllerNetwork, memory: Memory) -> Tensor:
    """Decode greedily, only ever a token that is legal; integers ``[n, L]``."""
    n = len(memory.mask)
    tokens = torch.zeros((n, 0), dtype=torch.long)
    last = torch.zeros((n, 1), dtype=torch.long)
    state = network.decoder.start(memory)
    for _ in range(space.max_length):
        logits, state = network.decoder(last, memory, state)
        legal = space.legal_tokens(tokens)
        last = logits[:, 0].masked_fill(~legal, float("-inf")).argmax(dim=1, keepdim=True)
        tokens = torch.cat([tokens, last], dim=1)
    return tokens
