"""The error of a user: one line that names what to change, without a traceback."""

import sys
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any


class UserError(Exception):
    """What the user asked for cannot be done; the message is one line and names the key or the file."""


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message, with the second where the first ends in a colon."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]


def config_error(key: str, given: object, allowed: str) -> UserError:
    """Return the error of the config key ``key`` that holds ``given`` where only ``allowed`` will do."""
    return UserError(f"{key}={given}: must be {allowed}")


def check_at_least(group: str, values: Mapping[str, Any], least: Mapping[str, float]) -> None:
    """Refuse a value of a config's group that is below its bound in ``least``, naming its key."""
    for name, bound in least.items():
        if not values[name] >= bound:
            raise config_error(f"{group}.{name}", values[name], f"at least {bound}")


def user_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Make a command print a user's error as one line, and exit with status 2."""

    @wraps(command)
    def checked(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(2)

    return checked
