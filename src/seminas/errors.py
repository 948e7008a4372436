"""The error of a user: one line that names what to change, without a traceback."""


class UserError(Exception):
    """What the user asked for cannot be done; the message is one line and names the key or the file."""


def config_error(key: str, given: object, allowed: str) -> UserError:
    """Return the error of the config key ``key`` that holds ``given`` where only ``allowed`` will do."""
    return UserError(f"{key}={given}: must be {allowed}")
