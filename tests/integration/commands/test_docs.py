"""Test the examples in the docs."""

import json
import re
import shlex
import sys
from itertools import product
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from typer.main import get_command
from typer.testing import CliRunner

from seminas.commands.main import app
from seminas.config.check import checked
from seminas.config.compose import compose
from support import ROOT, SMALL_CONTROLLER, command

PAGES = [ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in ("sweeps", "imagenet", "scale"))]
PAGES += sorted((ROOT / "experiments").glob("*/README.md"))


def test_the_own_space_of_the_readme_is_the_example() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert code == (ROOT / "examples" / "own_space" / "widths.py").read_text()


def test_ones_own_results_become_a_table_and_are_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])  # The command adds the working directory.
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
    assert imported[0] == "seminas"
    packed = CliRunner().invoke(app, imported[1:])
    assert packed.exit_code == 0 and "16 architectures" in packed.output, packed.output
    done = command(*searched, *SMALL_CONTROLLER, "hydra.run.dir=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["num_queries"] == 8 and result["best_val_accuracy"] > 0.88
    assert set(result["best_architecture"]) == {"depth", "width", "kernel"}
    assert CliRunner().invoke(app, ["space", "count", "space/mine.yaml"]).output == "16\n"


def commands_of(page: Path) -> list[list[str]]:
    """Return the project's commands in the indented lines of a page, without comments.

    Continued lines are joined. A command of experiments/run.sh is replaced by the sweep that it runs.
    """
    lines = page.read_text().replace("\\\n", " ").splitlines()
    split: list[list[str]] = []
    for line in (line for line in lines if line.startswith("    ")):
        split.append([])
        for word in shlex.split(line, comments=True):
            split[-1].append(word.removesuffix(";"))
            if word.endswith(";"):
                split.append([])
    commands = []
    for words in split:
        while words and not re.fullmatch(r"seminas(-\w+)?|experiments/run\.sh", words[0]):
            words.pop(0)  # Drop a prefix such as srun with its options, or a variable.
        if words and words[0] == "experiments/run.sh":
            study = words[1]
            name = "seminas-predictor" if study == "predictor" else "seminas-search"
            words = [name, "-m", f"experiment={study}", *words[3:]]
        if words and not any(word.startswith("--config") for word in words):
            commands.append(words)
    return commands


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_experiment_on_a_page_can_be_composed(page: Path) -> None:
    commands = [words for words in commands_of(page) if words[0] != "seminas"]
    assert commands
    parser = OverridesParser.create()
    for name, *words in commands:
        overrides = parser.parse_overrides([w for w in words if "=" in w and "…" not in w])
        single_values = [
            f"{o.input_line.split('=')[0]}={first_of(o)}" if o.is_sweep_override() else str(o.input_line)
            for o in overrides
        ]
        kind = name.removeprefix("seminas-")
        assert checked(compose(kind, single_values), kind)["seed"] is not None


def first_of(override: Override) -> str:
    if override.is_interval_sweep():
        return str(override.value().start)
    return next(iter(override.sweep_string_iterator()))


def test_every_other_command_on_a_page_is_one_with_such_options() -> None:
    commands = [words[1:] for page in PAGES for words in commands_of(page) if words[0] == "seminas"]
    assert ["status", "RUN"] in commands
    for words in commands:
        group = get_command(app)
        while words and hasattr(group, "commands"):
            group = group.commands[words[0]]
            words = words[1:]
        group.make_context("seminas", list(words))  # This raises an error for an unknown option.
