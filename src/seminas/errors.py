"""Errors that a user can correct. The user sees one line and no traceback."""


class UserError(Exception):
    """An error that a user can correct. Its message is one line that names the key or the file."""


class MissingMetricError(UserError):
    """A training that ended without a metric of the name that the search needs."""


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message.

    If the first line ends in a colon, return the first two lines. If the message is empty, return the exception's type.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]


def config_error(key: str, value: object, allowed: str) -> UserError:
    """Return the error for a config key with a wrong value.

    Args:
        key: Dotted key.
        value: Value that the config holds.
        allowed: Description of the allowed values. The error says that the value "must be" this.
    """
    return UserError(f"{key}={value}: must be {allowed}")
