"""The two packages of Lightning: ``pytorch_lightning`` and ``lightning``. Each has all classes of its own."""

from importlib import import_module
from typing import Any

from seminas.config.build import imported

PACKAGES = ("pytorch_lightning", "lightning.pytorch")


def lightning_of(target: Any) -> Any:
    """Return the package of Lightning from which a class derives. For any other object, it is ``pytorch_lightning``."""
    for base in getattr(target, "__mro__", ()):
        for name in PACKAGES:
            if base.__module__.startswith(f"{name}."):
                return import_module(name)
    return import_module(PACKAGES[0])


def derived(kind: type[Any], package: Any, base: str) -> type[Any]:
    """Return a class of ours as a class that a trainer of either package knows.

    Args:
        kind: Class of ours, which derives from a class of ``pytorch_lightning``.
        package: Package of the trainer.
        base: Full name of the same class in the package, such as ``callbacks.Checkpoint``.
    """
    module, _, name = base.rpartition(".")
    same = getattr(import_module(f"{package.__name__}.{module}"), name)
    return kind if issubclass(kind, same) else type(kind.__name__, (kind, same), {})


def users_class(setting: str, name: str, interface: str) -> Any:
    """Import a class that derives from a class of either package.

    Args:
        setting: Setting with the name of the class, ``module`` or ``data``.
        name: Full name of the class.
        interface: Name of Lightning's class, ``LightningModule`` or ``LightningDataModule``.

    Raises:
        UserError: It cannot be imported, or does not derive from Lightning's class.
    """
    key = f"evaluator.{setting}"
    return imported(name, key, getattr(lightning_of(imported(name, key)), interface))
