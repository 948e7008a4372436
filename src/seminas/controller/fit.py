"""Fit of the controller.

First the teachers learn from the labeled architectures. Then the teachers predict pseudo-labels of unlabeled
architectures. At the end the student learns from labels and pseudo-labels.
"""

import copy
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from seminas.config.controller import ControllerSettings
from seminas.controller.device import chosen_device
from seminas.controller.fitted import Controller, fit_forest, fit_process_teacher, mixed
from seminas.controller.models.inputs import Inputs, as_inputs
from seminas.controller.models.make import make_network
from seminas.controller.models.network import ControllerNetwork
from seminas.controller.module import Labeled
from seminas.controller.optimise import Schedule, optimise
from seminas.controller.targets import Targets
from seminas.execution.processes import only_errors
from seminas.execution.threads import one_thread
from seminas.spaces.base import A, SearchSpace

HARDWARE = "pytorch_lightning.utilities.rank_zero"
"""Logger of Lightning's messages about hardware and data loaders."""


@one_thread()
def fit_controller(
    space: SearchSpace[A],
    settings: ControllerSettings,
    architectures: Sequence[A],
    accuracies: NDArray[np.float64],
    seed: Sequence[int],
    unlabeled: Sequence[A] = (),
    *,
    start: Controller[A] | None = None,
    decode: bool = True,
) -> tuple[Controller[A], NDArray[np.float64]]:
    """Fit a controller.

    Args:
        space: Space of the architectures.
        settings: Settings of the networks and of their training.
        architectures: Labeled architectures, n of them.
        accuracies: Accuracies of the labeled architectures, fractions ``[n]``. They alone define the targets' scale.
        seed: Integers, such as (seed, round). The same seed gives the same controller.
        unlabeled: Unlabeled architectures, m of them. The teachers predict their pseudo-labels for the student.
        start: Controller of the previous round. The fit continues from its weights if ``settings.warm_start`` is true.
        decode: Whether the student's decoder learns. With a single member, the decoder always learns.

    Returns:
        The controller, and the pseudo-labels as fractions ``[m]``.
    """
    state = np.random.SeedSequence(seed).generate_state(2, np.uint64)
    generator = torch.Generator().manual_seed(int(state[0]) >> 1)
    settings = settings.with_process(by_default=space.is_chain)
    targets = Targets(settings.targets.kind, accuracies)
    labeled = Labeled(as_inputs(space, architectures), torch.as_tensor(targets.values, dtype=torch.float32))
    previous = start if settings.warm_start else None
    one_member = settings.teachers.members == 1
    device = chosen_device(settings, len(architectures) + len(unlabeled))
    with torch.random.fork_rng(devices=[0] if device.type == "cuda" else []), only_errors(HARDWARE):
        torch.manual_seed(int(state[1]) >> 1)
        weight = settings.teachers.gaussian_process or 0.0
        weight_of_forest = settings.teachers.forest if weight < 1 else 0.0
        forest = fit_forest(space, architectures, targets.values, weight_of_forest, int(state[0]))
        process = fit_process_teacher(space, architectures, targets.values, weight)
        teachers = None
        if weight < 1:
            teachers = _teachers(space, settings, previous)
            fitted, held_out = _split(labeled, settings.teachers.held_out, generator)
            rows = torch.arange(len(fitted.targets))
            schedule = Schedule.of_teachers(settings, len(rows))
            optimise(
                teachers,
                settings,
                schedule,
                fitted,
                rows,
                generator,
                held_out,
                decode=one_member,
                device=device,
            )
        if one_member and teachers is not None and not len(unlabeled):
            return Controller(
                space, teachers, None, targets, forest, device=device, process=process
            ), np.empty(0)
        both, rows, pseudo = labeled, torch.arange(len(labeled.targets)), np.empty(0)
        if len(unlabeled):
            inputs = as_inputs(space, unlabeled)
            if teachers is not None:
                members = Controller(space, teachers, None, targets, device=device)
                pseudo = members.input_scores(inputs).mean(axis=0)
                pseudo = mixed(pseudo, (forest, process), unlabeled)
            elif process is not None:
                pseudo = process.predict(unlabeled)
            both = _joined(labeled, Labeled(inputs, torch.as_tensor(pseudo, dtype=torch.float32)))
            others = torch.arange(len(labeled.targets), len(both.targets))
            rows = torch.cat([rows.repeat(settings.student.upsampling), others])
            pseudo = targets.accuracies(pseudo)
        if one_member and teachers is not None:
            student = teachers
        else:
            student = (
                make_network(space, settings, 1) if previous is None else copy.deepcopy(previous.student)
            )
        schedule = Schedule.of_student(settings, len(rows))
        optimise(
            student, settings, schedule, both, rows, generator, decode=decode or one_member, device=device
        )
        others_of_student = None if teachers is student else teachers
        return Controller(
            space, student, others_of_student, targets, forest, device=device, process=process
        ), pseudo


def _teachers(
    space: SearchSpace[A], settings: ControllerSettings, previous: Controller[A] | None
) -> ControllerNetwork:
    """Return new teachers, or a copy of those of the previous round."""
    if previous is None:
        return make_network(space, settings, settings.teachers.members)
    return copy.deepcopy(previous.teachers or previous.student)


def _joined(first: Labeled, second: Labeled) -> Labeled:
    inputs = Inputs(*(torch.cat(views) for views in zip(first.inputs, second.inputs, strict=True)))
    return Labeled(inputs, torch.cat([first.targets, second.targets]))


def _split(data: Labeled, fraction: float, generator: torch.Generator) -> tuple[Labeled, Labeled | None]:
    """Return the part to fit on and the held-out part.

    If one part would have fewer than two architectures, return all the data and None.
    """
    n = len(data.targets)
    num_out = round(fraction * n)
    if num_out < 2 or n - num_out < 2:
        return data, None
    order = torch.randperm(n, generator=generator)
    return data.select(order[num_out:]), data.select(order[:num_out])
