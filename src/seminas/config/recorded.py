"""Construction of a space from a config that was read from a file.

The class in the file must derive from the expected base class. This is checked before the class is called.
"""

from typing import Any

from seminas.config.build import TARGET, bound
from seminas.errors import UserError, config_error, first_line


def recorded_space(config: Any, source: str, interface: type[Any]) -> Any:
    """Return the space of a config that was read from a file.

    The class of the space is imported and checked before it is called. Its arguments must be plain data without
    another ``_target_``.

    Args:
        config: Contents of the file.
        source: Path of the file or folder, for errors.
        interface: Class from which the class of the space must derive.

    Raises:
        UserError: The config has no space, the class is of another kind, or the space cannot be created.
    """
    section = config.get("space") if isinstance(config, dict) else None
    if not isinstance(section, dict):
        raise UserError(f"{source}: names no space")
    for name, value in section.items():
        if name != TARGET and holds_target(value):
            raise config_error(f"{source}: space.{name}", TARGET, "plain data")
    target, arguments = bound(section, f"{source}: space", interface)
    try:
        return target(**arguments)
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{source}: its space cannot be made ({first_line(error)})") from error


def holds_target(value: Any) -> bool:
    """Return whether a value is or contains a mapping with ``_target_``."""
    if isinstance(value, dict):
        return TARGET in value or any(map(holds_target, value.values()))
    return isinstance(value, list) and any(map(holds_target, value))
