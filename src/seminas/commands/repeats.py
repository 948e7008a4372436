"""Checks of ``search.repeats``, the second trainings at the end of a search."""

from typing import TYPE_CHECKING

from seminas.config.search import SearchSettings
from seminas.errors import UserError, config_error
from seminas.runs.folder import RunFolder
from seminas.runs.repeats import num_repeats

if TYPE_CHECKING:
    from seminas.evaluators.base import Evaluator
    from seminas.loop.plan import Plan
    from seminas.runs.constraints import MeasuredLimits


def check_repeats(settings: SearchSettings, evaluator: "Evaluator", limits: "MeasuredLimits | None") -> None:
    """Refuse second trainings that the evaluator cannot make, and limits of measured metrics with them.

    Raises:
        UserError: ``search.repeats`` must be 0.
    """
    if not settings.repeats:
        return
    reason = evaluator.no_retraining()
    if reason is None and limits is not None:
        reason = f"a limit of a measured metric ({limits.setting})"
    if reason is not None:
        raise config_error("search.repeats", settings.repeats, f"0 with {reason}")


def check_not_repeated(folder: RunFolder, plan: "Plan", planned: int) -> None:
    """Refuse further rounds of a search that has begun its second trainings, because they are its last evaluations.

    Args:
        folder: Run folder.
        plan: Plan of the evaluations before the second trainings.
        planned: Number of these evaluations that an earlier command planned.

    Raises:
        UserError: The plan has more evaluations than the earlier one, and the folder has second trainings.
    """
    if plan.total > planned and num_repeats(folder.path):
        raise UserError(
            f"{folder}: has second trainings (search.repeats) after {planned} evaluations, and the search now asks for "
            f"{plan.total} before them; choose another hydra.run.dir, with search.import_from=[{folder}]"
        )
