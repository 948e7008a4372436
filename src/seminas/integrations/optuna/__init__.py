"""``SemiNASSampler``: the strategies of seminas as a sampler of Optuna."""

try:
    import optuna as optuna
except ImportError as error:
    raise ImportError("seminas.integrations.optuna needs Optuna (pip install 'seminas[optuna]')") from error

from seminas.integrations.optuna.sampler import SemiNASSampler

__all__ = ["SemiNASSampler"]
