"""The commands page: the ``--help`` of every command."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from seminas.commands.main import app
from seminas.config.schema import COMMANDS

WIDTH = 96
"""Columns of a help text."""


def markdown() -> str:
    """Return a section for each command, with its help text."""
    parts = []
    for name in COMMANDS:
        parts.append(_section(f"seminas-{name}", _help_of_experiment(name)))
    for path, command in _leaves(get_command(app), ("seminas",)):
        parts.append(_section(" ".join(path), _help(path, command)))
    return "\n".join(parts)


def _section(name: str, text: str) -> str:
    return f"## {name}\n\n```text\n{text.strip()}\n```\n"


def _help_of_experiment(name: str) -> str:
    """Return the help text of a command on Hydra, which writes it itself."""
    code = f"from seminas.commands.{name} import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True, env=os.environ
    )
    return done.stdout


def _leaves(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the words of each command that has no commands of its own, and the command; not the experiments."""
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, part in command.commands.items():
        if not (len(path) == 1 and name in COMMANDS):
            yield from _leaves(part, (*path, name))


def _help(path: tuple[str, ...], command: Any) -> str:
    command.rich_markup_mode = None  # Plain text, without Rich's boxes.
    width = {"terminal_width": WIDTH, "max_content_width": WIDTH}
    text: str = command.get_help(command.context_class(command, info_name=" ".join(path), **width))
    return text
