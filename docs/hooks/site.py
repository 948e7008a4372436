"""Hooks of the site: pages that lie outside ``docs/``, links between all pages, and the generated references."""

import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

import commands_reference
import settings_reference
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
DOCS = PurePosixPath("docs")
OUTSIDE = (
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "experiments/*/README.md",
    "experiments/**/*.png",
    "experiments/**/*.csv",
    "experiments/**/*.jsonl",
)
"""Files of the repository that are part of the site, beside those of ``docs/``."""
GENERATED = {"settings": settings_reference.markdown, "commands": commands_reference.markdown}
"""What stands in place of ``<!-- generated: NAME -->``."""
_LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")
_FENCE = re.compile(r"^(?:```.*?^```$)", re.M | re.S)
_PLACEHOLDER = re.compile(r"^<!-- generated: (\w+) -->$", re.M)


def on_files(files: Files, config: Any) -> Files:
    """Add the files that lie outside ``docs/``, under their path in the repository."""
    for pattern in OUTSIDE:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            files.append(File(name, str(ROOT), config["site_dir"], config["use_directory_urls"]))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Put the generated references in their places, and make links of the repository links of the site."""
    place = PurePosixPath(Path(page.file.abs_src_path).relative_to(ROOT).as_posix())
    markdown = _PLACEHOLDER.sub(lambda found: GENERATED[found[1]](), markdown)
    parts, end = [], 0
    for fence in _FENCE.finditer(markdown):
        parts += [_of_the_site(markdown[end : fence.start()], place), fence[0]]
        end = fence.end()
    return "".join([*parts, _of_the_site(markdown[end:], place)])


def _of_the_site(text: str, place: PurePosixPath) -> str:
    """Return a text whose links are relative to a page's place on the site, and not in the repository."""
    return _LINK.sub(lambda found: _on_site(found[1], place) + (found[2] or ""), text)


def _on_site(link: str, place: PurePosixPath) -> str:
    target = PurePosixPath(os.path.normpath(place.parent / link))
    start = _without_docs(place).parent
    return os.path.relpath(_without_docs(target), start)


def _without_docs(path: PurePosixPath) -> PurePosixPath:
    return path.relative_to(DOCS) if path.is_relative_to(DOCS) else path
