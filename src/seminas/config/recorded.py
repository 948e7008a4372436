"""Objects from a config that a file holds. Nothing that the file names is called before it is known to be ours."""

from typing import Any

from seminas.config.build import TARGET, bound
from seminas.errors import UserError, config_error, first_line


def recorded_space(config: Any, source: str, interface: type[Any]) -> Any:
    """Return the space of a config that was read from a file.

    The class must derive from ``interface``; it is imported, checked, and only then called. Its arguments must be
    plain data: a ``_target_`` inside them is refused.

    Args:
        config: As read.
        source: The file or folder, for errors.
        interface: ``SearchSpace``.

    Raises:
        UserError: The file names something else, or the space cannot be made.
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
    """Return whether a value, or one inside it, names a target."""
    if isinstance(value, dict):
        return TARGET in value or any(map(holds_target, value.values()))
    return isinstance(value, list) and any(map(holds_target, value))
