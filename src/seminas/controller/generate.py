"""New architectures from a fitted controller: up the predictor's gradient, then decoded."""

from collections.abc import Collection, Iterator, Sequence

import torch
from torch import Tensor

from seminas.controller.fit import Controller, one_thread
from seminas.controller.model import ControllerModel, Memory, as_inputs, normalise
from seminas.spaces.base import A, SearchSpace


@one_thread()
def improve(
    controller: Controller[A],
    seeds: Sequence[A],
    wanted: int,
    seen: Collection[A],
    step_size: float,
    max_steps: int,
) -> list[A]:
    """Move architectures up the predictor's gradient and decode them (Luo et al., section 3.1).

    The step η grows by ``step_size`` until enough new architectures have come out. One that is predicted
    no better than the seed it came from does not count: it is the decoder's error, not an improvement.

    Args:
        controller: A fitted one.
        seeds: Where to start from.
        wanted: How many to stop at.
        seen: Architectures that are not new.
        step_size: First step, and its growth; in units of the states' root mean square.
        max_steps: Largest step, as a multiple of ``step_size``.

    Returns:
        Distinct new architectures, best predicted first; fewer than ``wanted`` where the largest step has
        been reached, more where one step gave several.
    """
    found: dict[A, float] = {}
    before = controller.predict(seeds)
    with torch.no_grad():
        memory = controller.model.encoder(as_inputs(controller.space, seeds))
    for step in moved(controller.model, memory, step_size, max_steps):
        decoded = controller.space.decode(write(controller.space, controller.model, step).numpy())
        new = [
            (a, start) for a, start in zip(decoded, before, strict=True) if a is not None and a not in seen
        ]
        after = controller.predict([a for a, _ in new])
        found |= {a: float(y) for (a, start), y in zip(new, after, strict=True) if y > start}
        if len(found) >= wanted:
            break
    return sorted(found, key=lambda a: -found[a])


def moved(model: ControllerModel, memory: Memory, step_size: float, max_steps: int) -> Iterator[Memory]:
    """Yield the states after steps of ``step_size``, twice that, and so on: normalise(h + η g).

    g is the gradient of the prediction by the states, scaled to a root mean square of 1 over an
    architecture, so that η means the same for every fit (the authors take it as it is).
    """
    states = memory.states.detach().requires_grad_(True)
    with torch.enable_grad():
        prediction = model.predictor(Memory(states, memory.mask).embedding).sum()
        (gradient,) = torch.autograd.grad(prediction, states)
    direction = normalise(gradient.flatten(1)).view_as(gradient)
    for k in range(1, max_steps + 1):
        step = normalise(memory.states + k * step_size * direction)
        yield Memory(step * memory.mask[..., None], memory.mask)


@torch.inference_mode()
def write(space: SearchSpace[A], model: ControllerModel, memory: Memory) -> Tensor:
    """Decode greedily, only ever a token that is legal; integers ``[n, L]``."""
    n = len(memory.states)
    tokens = torch.zeros((n, 0), dtype=torch.long)
    last = torch.zeros((n, 1), dtype=torch.long)
    state = model.decoder.start(memory)
    for _ in range(space.max_length):
        logits, state = model.decoder(last, memory, state)
        legal = space.legal_tokens(tokens)
        last = logits[:, 0].masked_fill(~legal, float("-inf")).argmax(dim=1, keepdim=True)
        tokens = torch.cat([tokens, last], dim=1)
    return tokens
