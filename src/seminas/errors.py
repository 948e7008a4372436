"""The error of a user: one line that names what to change, without a traceback."""


class UserError(Exception):
    """What the user asked for cannot be done; the message is one line and names the key or the file."""


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message, with the second where the first ends in a colon."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]


def config_error(key: str, value: object, allowed: str) -> UserError:
    """Return the error of the config key ``key`` that holds ``value`` where only ``allowed`` will do."""
    return UserError(f"{key}={value}: must be {allowed}")
