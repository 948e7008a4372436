"""The commands and links of the pages, as they stand there."""

import importlib.util
import re
import shlex
import sys
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest
import typer
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from typer.main import get_command

from pages import PAGES, anchors, blocks, commands, links, page_name, prose, spans, without_prefix
from seminas.commands.main import app
from seminas.config.check import checked
from seminas.config.compose import compose
from seminas.config.renamed import RENAMED, TARGETS
from seminas.config.schema import COMMANDS
from support import ROOT

EXPERIMENTS = tuple(f"seminas-{name}" for name in COMMANDS)
SHELL = ("cmp", "du", "export", "for", "done", "source", "wandb")
"""Commands that are not ours."""
WITH_COMMANDS = [page for page in PAGES if blocks(page, "bash")]


@pytest.fixture(autouse=True)
def imports_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])


def commands_of(page: Path) -> list[list[str]]:
    """All commands of a page's blocks."""
    found = [words for block in blocks(page, "bash") for words in commands(block.text)]
    return [words for words in map(without_prefix, found) if words]


def experiment(words: list[str]) -> list[str] | None:
    """The words of a search, predictor study or training, None for another command."""
    if words[0] == "experiments/run.sh":
        study = words[1]
        if (ROOT / "experiments" / study / "make.sh").exists():
            return None
        name = "seminas-predictor" if study == "predictor" else "seminas-search"
        return [name, "-m", f"experiment={study}", *words[3:]]
    if words[0] == "seminas" and len(words) > 1 and words[1] in COMMANDS:
        return [f"seminas-{words[1]}", *words[2:]]
    return words if words[0] in EXPERIMENTS else None


def compose_experiment(words: list[str]) -> None:
    """Compose and check the config of a command; of a sweep, that of its first job."""
    if "--config-dir" in words:
        return  # test_docs_examples runs it.
    overrides = OverridesParser.create().parse_overrides([w for w in words[1:] if "=" in w and "…" not in w])
    one = [
        f"{o.input_line.split('=')[0]}={first_of(o)}" if o.is_sweep_override() else str(o.input_line)
        for o in overrides
    ]
    kind = words[0].removeprefix("seminas-")
    assert checked(compose(kind, one), kind)["seed"] is not None


def first_of(override: Override) -> str:
    if override.is_interval_sweep():
        return str(override.value().start)
    return next(iter(override.sweep_string_iterator()))


def parse(group: Any, words: list[str], whole: bool) -> None:
    """Parse the words of a Typer command; one that is not whole may lack arguments."""
    while words and hasattr(group, "commands"):
        assert words[0] in group.commands, words
        group, words = group.commands[words[0]], words[1:]
    if not hasattr(group, "commands"):
        try:
            group.make_context("seminas", list(words))  # Raises an error for an option that does not exist.
        except Exception as error:
            if whole or type(error).__name__ != "MissingParameter":
                raise


def script(path: Path) -> Any:
    """The Typer command of a Python script."""
    spec = importlib.util.spec_from_file_location(f"script_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    sys.path.insert(0, str(path.parent))  # As Python does for a script.
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if hasattr(module, "app"):
        return get_command(module.app)
    single = typer.Typer()
    (main,) = (getattr(module, name) for name in ("main", path.stem) if hasattr(module, name))
    single.command()(main)
    return get_command(single)


def check(words: list[str], whole: bool = True) -> None:
    """Check a command that is no experiment."""
    name, *rest = words
    if name in ("seminas", "python -m seminas"):
        parse(get_command(app), rest, whole)
    elif name == "python" and rest[0].endswith(".py"):
        path = ROOT / rest[0]
        assert path.exists(), words
        if "typer" in path.read_text():
            parse(script(path), rest[1:], whole)
    elif name == "python":
        assert rest[:2] in (["-m", "seminas"], ["-m", "http.server"]), words
    elif name == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M)
        assert all(word in targets or re.match(r"[A-Z_]+=", word) for word in rest), words
    elif name == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        (package,) = rest[1:]
        extra = re.fullmatch(r"(?:seminas|\.)(?:\[(\w+)\])?", package)
        assert rest[0] == "install" and extra and (extra[1] is None or extra[1] in extras), words
    elif name == "experiments/run.sh":  # A study that is no sweep has a script of its own.
        (study,) = rest
        assert (ROOT / "experiments" / study / "make.sh").exists(), words
    elif name == "pytest":
        assert all((ROOT / word).exists() for word in rest if word.startswith("tests")), words
    else:
        assert name in SHELL, words


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=page_name)
def test_every_command_of_a_page_is_composed_or_parsed(page: Path) -> None:
    for words in commands_of(page):
        run = experiment(words)
        if run is not None:
            compose_experiment(run)
        else:
            check(words)


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_command_in_the_prose_of_a_page(page: Path) -> None:
    for span in spans(page):
        if not re.match(r"(seminas(-\w+)?|python|make|pip|pytest) ", span) or "…" in span:
            continue
        words = shlex.split(span)
        run = experiment(words)
        if run is None:
            check(words, whole=False)
        elif len(run) > 1:
            compose_experiment(run)


def test_the_pages_have_commands_of_each_kind() -> None:
    found = [words for page in PAGES for words in commands_of(page)]
    assert ["seminas", "report", "FOLDER"] in found
    names = {(experiment(words) or words)[0] for words in found}
    assert {"seminas-search", "seminas-train", "seminas-predictor", "seminas", "make", "pip"} <= names


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_a_page_has_no_command_outside_of_its_blocks(page: Path) -> None:
    assert not re.findall(r"^ {4}\S*(?:seminas|python|make) .*", prose(page), re.M)


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for link in links(page):
        if "://" in link:
            parts = urlparse(link)
            assert parts.scheme == "https" and "." in parts.netloc and not re.search(r"\s", link), link
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT) and target.exists(), f"{page_name(page)}: {link}"
        # The anchors of generated and of API pages are checked by mkdocs.
        generated = (
            "<!-- generated:" in target.read_text() or "\n::: " in target.read_text() if anchor else False
        )
        if anchor and not generated:
            assert anchor in anchors(target), f"{page_name(page)}: {link}"


def test_the_changelog_names_every_key_that_moved() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    for old, new in {**RENAMED, **TARGETS}.items():
        assert f"| `{old}` | `{new}` |" in text
