"""Import base classes from optional plugins."""

import importlib
from typing import Any


def optional_base(module: str, name: str) -> Any:
    """Return a class of a plugin, or ``object`` if the plugin is not installed. Hydra then uses no subclass of it."""
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError:
        return object
