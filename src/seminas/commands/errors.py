"""Errors of the commands that do not run on Hydra: one line, exit status 2."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from seminas.errors import UserError


def user_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Make a command print an error of the user's as one line, and exit with status 2."""

    @wraps(command)
    def checked(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(2)

    return checked
