"""The examples of the docs, as they stand there."""

import json
import re
import shlex
from itertools import product
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from seminas.config.check import checked
from seminas.config.compose import compose
from seminas.errors import UserError
from support import ROOT, SMALL_CONTROLLER, command


def test_ones_own_results_become_a_table_and_are_searched(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "tables.md").read_text()
    table, space, commands = (
        re.search(rf"```{kind}\n(.*?)```", text, re.S)[1]  # type: ignore[index]
        for kind in ("csv", "yaml", "bash")
    )
    (tmp_path / "space").mkdir()
    (tmp_path / "space" / "mine.yaml").write_text(space)
    rows = [
        f"{d},{w},{k},{0.8 + d / 100 + w / 1000 + k / 500:.3f}"
        for d, w, k in product([2, 4, 8], [16, 32, 64], [3, 5])
        if (d, w) != (8, 64)
    ]
    (tmp_path / "results.csv").write_text("\n".join([table.splitlines()[0], *rows]) + "\n")
    imported, searched = (shlex.split(line) for line in commands.splitlines())
    done = command(*imported, cwd=tmp_path)
    assert done.returncode == 0 and "16 architectures" in done.stdout, done.stderr
    done = command(*searched, *SMALL_CONTROLLER, "hydra.run.dir=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["num_queries"] == 8 and result["best_val_accuracy"] > 0.88
    assert set(result["best_architecture"]) == {"depth", "width", "kernel"}
    counted = command("seminas", "space", "count", "space/mine.yaml", cwd=tmp_path)
    assert counted.stdout == "16\n"


def commands_of(page: Path) -> list[list[str]]:
    """The project's commands in a page's indented lines, continued ones joined, without comments."""
    lines = page.read_text().replace("\\\n", " ").splitlines()
    split = [shlex.split(line, comments=True) for line in lines if line.startswith("    ")]
    ours = [words for words in split if words and words[0].startswith("seminas-")]
    return [words for words in ours if not any(word.startswith("--config") for word in words)]


@pytest.mark.parametrize("page", ["README.md", "docs/sweeps.md", "docs/imagenet.md"])
def test_every_command_on_a_page_can_be_composed(page: str) -> None:
    commands = commands_of(ROOT / page)
    assert commands
    parser = OverridesParser.create()
    for name, *words in commands:
        overrides = parser.parse_overrides([w for w in words if "=" in w and "…" not in w])
        one = [
            f"{o.input_line.split('=')[0]}={first_of(o)}" if o.is_sweep_override() else str(o.input_line)
            for o in overrides
        ]
        kind = name.removeprefix("seminas-")
        try:
            assert checked(compose(kind, one), kind)["seed"] is not None
        except (UserError, HydraException) as error:
            # A page may leave out what only its reader knows, such as where the images are.
            assert str(error).endswith(": must be set"), (name, words)


def first_of(override: Override) -> str:
    if override.is_interval_sweep():
        return str(override.value().start)
    return next(iter(override.sweep_string_iterator()))
