"""Handle user errors in the commands that do not use Hydra: print one line, and exit with status 2."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from seminas.errors import UserError


def user_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that prints a ``UserError`` as one line and exits with status 2."""

    @wraps(command)
    def checked(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(2)

    return checked
