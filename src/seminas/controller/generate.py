"""New architectures from a fitted controller: gradient steps on the encoder's states, then decoding."""

from collections.abc import Collection, Iterator, Sequence

import torch
from torch import Tensor

from seminas.config.strategies import SemiNASSettings
from seminas.controller.fitted import Controller
from seminas.controller.models.inputs import Memory, as_inputs, memorise, normalise
from seminas.controller.models.network import ControllerNetwork
from seminas.execution.threads import one_thread
from seminas.spaces.base import A, SearchSpace


@one_thread()
def improve(
    controller: Controller[A], seeds: Sequence[A], wanted: int, seen: Collection[A], settings: SemiNASSettings
) -> list[A]:
    """Improve architectures by gradient steps (Luo et al., NeurIPS 2020, section 3.1).

    The function moves the student's states of each seed along the gradient of the prediction. Then it decodes the moved
    states. The step size η grows by ``settings.step_size`` until enough new architectures are found.

    Args:
        controller: Fitted controller.
        seeds: Architectures to start from.
        wanted: Number of new architectures at which the gradient steps stop.
        seen: Architectures that are not new.
        settings: Settings of the gradient steps. With ``better``, an architecture counts only if the controller
            predicts a better accuracy than for its seed. Other architectures are errors of the decoder, not
            improvements.

    Returns:
        Distinct new architectures. With ``better``, the best predicted architecture is first. Otherwise they are in
        the order of the steps. The list is shorter than ``wanted`` if the largest step gave too few architectures. It
        is longer if the last step gave more than needed.
    """
    scores: dict[A, float] = {}
    before = controller.mean_scores(seeds)
    with torch.no_grad():
        memory = controller.student.encoder(as_inputs(controller.space, seeds).to(controller.device))
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
    """Yield the moved states normalise(h + η g) for η = ``step_size``, 2 ``step_size``, and so on.

    h are the states, and g is the gradient of the prediction with respect to the states. g is scaled: its root mean
    square length over the states of an architecture becomes the length of a state. Then η has the same meaning in
    every fit. With ``raw_gradient``, g is not scaled.
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
    """Return decoded token sequences, integers ``[n, L]``, on the CPU. Each token is the most likely legal token."""
    n = len(memory.mask)
    tokens = torch.zeros((n, 0), dtype=torch.long)
    last = torch.zeros((n, 1), dtype=torch.long)
    state = network.decoder.start(memory)
    for _ in range(space.max_length):
        logits, state = network.decoder(last.to(memory.states.device), memory, state)
        legal = space.legal_tokens(tokens)
        last = logits[:, 0].cpu().masked_fill(~legal, float("-inf")).argmax(dim=1, keepdim=True)
        tokens = torch.cat([tokens, last], dim=1)
    return tokens
