"""Base classes from plugins that need not be installed."""

import importlib
from typing import Any


def optional_base(module: str, name: str) -> Any:
    """Return a class of a plugin; ``object`` where the plugin is not installed, and nothing is made of it."""
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError:
        return object
