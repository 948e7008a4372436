"""The site that ``make docs`` builds."""

import html
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from seminas.config.build import TARGET
from seminas.config.check import flat
from seminas.config.compose import CONFIG_DIR
from seminas.config.schema import BY_TARGET, COMMANDS, SECTIONS
from support import ROOT

# make docs builds the site as well.
pytestmark = pytest.mark.long
Configure = Callable[..., dict[str, Any]]
COMPOSED = [
    ("search", []),
    ("search", ["evaluator=table", "evaluator.path=digits101", "strategy=evolution", "logger=[csv,wandb]"]),
    ("search", ["evaluator=supernet", "space=mobilenet", "data.images.root=IMAGES", "strategy=bananas"]),
    ("predictor", ["evaluator.path=digits101", "model=random_forest"]),
    ("train", ["data.images.root=IMAGES"]),
    ("supernet", ["data.images.root=IMAGES"]),
]
OPEN = ("names", "model.arguments", "recipe.networks", "data.recipe.networks", "evaluator.recipe.networks")
"""Sections whose keys are the user's, or those of another section."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    pytest.importorskip("mkdocs")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


def text_of(page: Path) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text()))


def test_no_page_loads_anything_from_the_network(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert {"index.html", "settings.html", "python.html", "CHANGELOG.html"} <= {page.name for page in pages}
    for page in pages:
        text = page.read_text()
        assert not re.findall(r"<(?:script|img|iframe)[^>]* src=\"(?:https?:)?//[^\"]+", text), page
        loaded = re.findall(r"<link[^>]* rel=\"(?:stylesheet|preconnect|preload)\"[^>]*>", text)
        assert not [link for link in loaded if "//" in link], page


def test_the_settings_page_has_every_setting(site: Path) -> None:
    text = (site / "settings.html").read_text()
    for kind in {*SECTIONS.values(), *BY_TARGET.values(), *COMMANDS.values()}:
        for field in fields(kind):
            assert field.name == TARGET or re.search(rf'<code id="[\w.-]+\.{field.name}">', text), field.name
    row = (
        r"controller\.teachers\.forest</code></td>\s*<td><code>float</code></td>\s*<td><code>0\.0</code></td>"
    )
    assert re.search(row + r"\s*<td>from 0 to 1</td>\s*<td></td>\s*<td>Weight of a random forest", text)
    for file in CONFIG_DIR.glob("*/*.yaml"):
        assert f"{file.parent.name}={file.stem}: " in text


@pytest.mark.parametrize(("command", "overrides"), COMPOSED)
def test_every_key_of_a_config_is_on_the_settings_page(
    site: Path, configure: Configure, command: str, overrides: list[str]
) -> None:
    text = (site / "settings.html").read_text()
    for key in flat(configure(command, *overrides)):
        # Recipes and trainers have one section each, wherever they stand.
        key = re.sub(r"^(?:data|evaluator)\.(recipe|trainer)\.", r"\1.", key)
        if not key.startswith(OPEN) and not key.endswith(TARGET):
            assert f">{key}</code>" in text, key


def test_the_commands_page_has_the_help_of_every_command(site: Path) -> None:
    text = text_of(site / "commands.html")
    for words in ("Usage: seminas data import [OPTIONS]", "--trust-pickles", "Usage: seminas sweep resume"):
        assert words in text
    for name in COMMANDS:
        assert f"seminas-{name}: " in text
    assert "strategy: bananas, evolution" in text


def test_the_api_pages_have_shapes_units_errors_and_sources(site: Path) -> None:
    spaces, evaluators = text_of(site / "api" / "spaces.html"), text_of(site / "api" / "evaluators.html")
    for words in ("adjacency matrices [n, V, V]", "[n, max_length]", "ValueError"):
        assert words in spaces
    accuracy = "for an architecture, by default the validation accuracy, a fraction"
    for words in (accuracy, "Duration of the evaluation in seconds"):
        assert words in evaluators
    assert "Luo et al." in text_of(site / "api" / "strategies.html")
