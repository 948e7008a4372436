"""New architectures from a fitted controller: up the predictor's gradient, then decoded."""

from collections.abc import Collection, Iterator, Sequence

import torch
from torch import Tensor

from seminas.controller.fit import Controller, one_thread
from seminas.controller.model import (
    EncoderPredictorDecoder,
    Memory,
    as_inputs,
    memorise,
    normalise,
)
from seminas.spaces.base import A, SearchSpace


@one_thread()
def improve(
    controller: Controller[A],
    seeds: Sequence[A],
    wanted: int,
    seen: Collection[A],
    step_size: float,
    max_steps: int,
    raw_gradient: bool = False,
    better: bool = True,
) -> list[A]:
    """Move architectures up the predictor's gradient and decode them (Luo et al., section 3.1).

    The step η grows by ``step_size`` until enough new architectures have come out.

    Args:
        controller: A fitted one.
        seeds: Where to start from.
        wanted: How many to stop at.
        seen: Architectures that are not new.
        step_size: First step, and its growth; in units of the states' length.
        max_steps: Largest step, as a multiple of ``step_size``.
        raw_gradient: Take the gradient as it is, as the authors do, and not only its direction.
        better: Count only what is predicted better than the seed it came from: the rest is the decoder's error, not
            an improvement.

    Returns:
        Distinct new architectures, best predicted first, in the order of the steps where ``better`` is not asked for;
        fewer than ``wanted`` where the largest step has been reached, more where one step gave several.
    """
    found: dict[A, float] = {}
    before = controller.mean_scores(seeds)
    with torch.no_grad():
        memory = controller.student.encoder(as_inputs(controller.space, seeds))
    for step in moved(controller.student, memory, step_size, max_steps, raw_gradient):
        decoded = controller.space.decode(write(controller.space, controller.student, step).numpy())
        new = [
            (a, start) for a, start in zip(decoded, before, strict=True) if a is not None and a not in seen
        ]
        after = controller.mean_scores([a for a, _ in new])
        found |= {a: float(y) for (a, start), y in zip(new, after, strict=True) if y > start or not better}
        if len(found) >= wanted:
            break
    return sorted(found, key=lambda a: -found[a]) if better else list(found)


def moved(
    model: EncoderPredictorDecoder,
    memory: Memory,
    step_size: float,
    max_steps: int,
    raw_gradient: bool = False,
) -> Iterator[Memory]:
    """Yield the states after steps of ``step_size``, twice that, and so on: normalise(h + η g).

    g is the gradient of the prediction by the states, scaled to their length in the root mean square over an
    architecture, so that η means the same for every fit; or, with ``raw_gradient``, as it is.
    """
    states = memory.states.detach().requires_grad_(True)
    with torch.enable_grad():
        prediction = model.predictor(memory._replace(states=states).embedding).sum()
        (gradient,) = torch.autograd.grad(prediction, states)
    if not raw_gradient:
        whole = memory.length * gradient.shape[-2] ** 0.5
        gradient = normalise(gradient.flatten(-2), whole).view_as(gradient)
    for k in range(1, max_steps + 1):
        yield memorise(memory.states + k * step_size * gradient, memory.mask, memory.length)


@torch.inference_mode()
def write(space: SearchSpace[A], model: EncoderPredictorDecoder, memory: Memory) -> Tensor:
    """Decode greedily, only ever a token that is legal; integers ``[n, L]``."""
    n = len(memory.mask)
    tokens = torch.zeros((n, 0), dtype=torch.long)
    last = torch.zeros((n, 1), dtype=torch.long)
    state = model.decoder.start(memory)
    for _ in range(space.max_length):
        logits, state = model.decoder(last, memory, state)
        legal = space.legal_tokens(tokens)
        last = logits[:, 0].masked_fill(~legal, float("-inf")).argmax(dim=1, keepdim=True)
        tokens = torch.cat([tokens, last], dim=1)
    return tokens
