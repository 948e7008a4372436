"""The pages of the documentation as text: their blocks, commands, links and anchors."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from support import ROOT

TOP = [ROOT / f"{name}.md" for name in ("README", "ARCHITECTURE", "CONTRIBUTING", "SECURITY", "CHANGELOG")]
GUIDES = sorted((ROOT / "docs").rglob("*.md"))
STUDIES = sorted((ROOT / "experiments").glob("*/README.md"))
PAGES = [*TOP, *GUIDES, *STUDIES]
_BLOCK = re.compile(r"^```(\w*)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.M | re.S)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_SEMICOLON = re.compile(r"(?<=\S);$")


@dataclass(frozen=True)
class Block:
    """A block of a page.

    Attributes:
        language: Such as ``bash``.
        title: Name of the file that it is, empty for none.
        text: Its lines.
    """

    language: str
    title: str
    text: str


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str = "") -> list[Block]:
    """The blocks of a language, or all."""
    found = [Block(*groups) for groups in _BLOCK.findall(page.read_text())]
    return [block for block in found if language in ("", block.language)]


def prose(page: Path) -> str:
    """A page without its blocks."""
    return _BLOCK.sub("", page.read_text())


def spans(page: Path) -> list[str]:
    """What stands in backticks in the prose."""
    return [span.replace("\\|", "|") for span in _SPAN.findall(prose(page))]


def commands(text: str) -> list[list[str]]:
    """The words of each command in the text of a block; continued lines are joined, comments left out."""
    found: list[list[str]] = []
    for line in text.replace("\\\n", " ").splitlines():
        found.append([])
        for word in shlex.split(line, comments=True):
            found[-1].append(_SEMICOLON.sub("", word))
            if _SEMICOLON.search(word):
                found.append([])
    return [words for words in found if words]


def without_prefix(words: list[str]) -> list[str]:
    """A command without ``do`` and the variables before it, and without srun and its options."""
    while words and re.match(r"do$|\w+=", words[0]):
        words = words[1:]
    if words and words[0] == "srun":
        words = words[next(i for i, word in enumerate(words) if word.startswith("seminas")) :]
    return words


def links(page: Path) -> list[str]:
    """The targets of a page's links and figures."""
    return re.findall(r"\]\(([^)]+)\)", _SPAN.sub("", prose(page)))


def anchors(page: Path) -> set[str]:
    """The names of a page's headings in links, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
