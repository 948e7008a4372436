"""The settings page: every setting, from the dataclasses of ``seminas.config`` and the files of ``conf/``."""

import dataclasses
import inspect
import re
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

from omegaconf import MISSING, OmegaConf

from seminas.config.build import TARGET
from seminas.config.compose import CONFIG_DIR
from seminas.config.fields import Rule, Settings, nested_settings, rule_of
from seminas.config.networks import NETWORKS
from seminas.config.schema import COMMANDS, GROUPS, SECTIONS

PLACES = {"images": "data.images", "logger": "logger.NAME"}
"""Key of the section of a group of settings, where it is not the group's name."""
OPTIONS = ("space", "strategy", "fidelity", "evaluator", "proxies", "controller", "data", "recipe", "trainer")
OPTIONS += ("model", "logger", "cluster", "sweep", "experiment")
"""Groups of ``conf/``, in the order of the page."""


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes:
        title: Heading.
        key: Prefix of its settings, such as ``search``; empty at the top of a config.
        kind: Its dataclass.
        own: Names of the fields that it lists; None for all.
    """

    title: str
    key: str
    kind: type[Settings]
    own: frozenset[str] | None = None

    @property
    def anchor(self) -> str:
        """The name that links to the section use."""
        return _anchor(self.title)


def _anchor(title: str) -> str:
    return re.sub(r"[^\w.]+", "-", title)


def markdown() -> str:
    """Return the sections, each with a table of its settings, and the options of each group."""
    every = list(sections())
    places = {section.kind: section for section in reversed(every)}
    parts = [_section(section, places) for section in every]
    parts.append("## Options of the groups { #options }\n")
    parts.append(
        "An option is a file in `conf/`. It names its settings, and states the values that differ.\n"
    )
    parts += [_options(group) for group in OPTIONS]
    parts.append("## What commands share { #shared }\n")
    for name in (*COMMANDS, "base", "hydra/sweeper/jobs"):
        parts.append(_details(f"conf/{name}.yaml", CONFIG_DIR / f"{name}.yaml"))
    return "\n".join(parts)


def sections() -> Iterator[Section]:
    """Yield all sections, nested ones after their parents."""
    fields = [frozenset(field.name for field in dataclasses.fields(kind)) for kind in COMMANDS.values()]
    shared = frozenset.intersection(*fields) - set(OPTIONS)
    yield Section("All commands", "", next(iter(COMMANDS.values())), shared)
    for (name, kind), own in zip(COMMANDS.items(), fields, strict=True):
        yield Section(f"seminas-{name}", "", kind, own - shared)
    for key, kind in SECTIONS.items():
        if key != "data.recipe":  # The same as recipe.
            yield from _with_nested(Section(key, key, kind))
    for kind in NETWORKS.values():
        yield Section(kind.KEY, kind.KEY, kind)
    for group, kinds in GROUPS.items():
        for name, kind in kinds.items():
            key = PLACES.get(group, group).replace("NAME", name)
            yield from _with_nested(Section(key if group == "logger" else f"{key}: {name}", key, kind))


def _with_nested(section: Section) -> Iterator[Section]:
    yield section
    known = set(SECTIONS.values())
    for name, kind in nested_settings(section.kind):
        if kind not in known:
            key = f"{section.key}.{name}"
            title = key if section.title == section.key else f"{section.title}.{name}"
            yield from _with_nested(Section(title, key, kind))


def _section(section: Section, places: dict[type[Settings], Section]) -> str:
    about, descriptions = documentation(section.kind)
    defaults = _chosen(section.title.removeprefix("seminas-")) if not section.key else {}
    rows = [
        _row(section, field, descriptions, places, defaults)
        for field in dataclasses.fields(section.kind)
        if field.name != TARGET and (section.own is None or field.name in section.own)
    ]
    title = f"`{section.title}`" if section.key else section.title
    lines = [f"## {title} {{ #{section.anchor} }}\n"]
    if section.own is None:
        lines.append(f"{about}\n")
    target = section.kind.__dataclass_fields__.get(TARGET)
    if target is not None:
        lines.append(f"Class: `{target.default}`\n")
    if rows:
        lines.append("| key | type | default | bounds | unit | description |\n|---|---|---|---|---|---|")
        lines += rows
    return "\n".join(lines) + "\n"


def _chosen(command: str) -> dict[str, str]:
    """Return the option of each group that a command's primary config chooses."""
    file = CONFIG_DIR / f"{command}.yaml"
    listed = OmegaConf.to_container(OmegaConf.load(file))["defaults"] if file.exists() else []
    pairs = [item for item in listed if isinstance(item, dict)]
    return {str(name): _code(option) for pair in pairs for name, option in pair.items()}


def _row(
    section: Section,
    field: "dataclasses.Field[Any]",
    descriptions: dict[str, str],
    places: dict[type[Settings], Section],
    chosen: dict[str, str],
) -> str:
    rule, key = rule_of(field), f"{section.key}.{field.name}".lstrip(".")
    name = f"`{key}`{{ #{section.anchor}.{field.name} }}"
    description = descriptions.get(field.name, "")
    nested = dict(nested_settings(section.kind)).get(field.name)
    if nested is not None:
        title = places[nested].title if nested in SECTIONS.values() else f"{section.title}.{field.name}"
        description = f"See [{title}](#{_anchor(title)})."
    if not section.key and field.name in OPTIONS:
        description += f" Options: [{field.name}](#options-{field.name})."
    if nested is not None or (not section.key and field.name in OPTIONS):
        cells = [name, "section", chosen.get(field.name, ""), "", "", description]
    else:
        text = f"{description} {_marker(rule)}"
        cells = [name, _type(field.type), _default(field), bounds(rule), rule.unit or "", text]
    return "| " + " | ".join(cell.strip().replace("|", "\\|") for cell in cells) + " |"


def _type(kind: Any) -> str:
    parts = typing.get_args(kind) if NoneType in typing.get_args(kind) else (kind,)
    return " or ".join(map(_type_name, parts))


def _type_name(kind: Any) -> str:
    if kind is NoneType:
        return "`null`"
    if kind is Any:
        return "any"
    name = kind.__name__ if isinstance(kind, type) and not typing.get_args(kind) else str(kind)
    return f"`{name.replace('typing.Any', 'any')}`"


def _default(field: "dataclasses.Field[Any]") -> str:
    if field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
        return "the sections of the same name" if isinstance(value, dict) and value else _code(value)
    return "must be set" if field.default == MISSING else _code(field.default)


def _code(value: Any) -> str:
    if value is None:
        return "`null`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return '`""`' if value == "" else f"`{value}`"


def bounds(rule: Rule) -> str:
    """Return the bounds of a setting in words, empty where its rule has none beyond the type."""
    words = rule.allowed()
    return "" if words == "finite" else words


def _marker(rule: Rule) -> str:
    return "*May grow.*" if rule.extends else "*May change.*" if rule.may_change else ""


def documentation(kind: type[Any]) -> tuple[str, dict[str, str]]:
    """Return the text of a dataclass's docstring, and the description of each attribute, also inherited ones."""
    attributes: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        text = inspect.cleandoc(base.__dict__.get("__doc__") or "") if issubclass(base, Settings) else ""
        text, _, listed = text.partition("\nAttributes:\n")
        for names, description in re.findall(r"^ {4}(\w[\w, ]*): (.*(?:\n {8}.*)*)", listed, re.M):
            for name in names.split(", "):
                attributes[name] = _one_line(description)
    return _one_line(inspect.cleandoc(kind.__doc__ or "").partition("\nAttributes:\n")[0]), attributes


def _one_line(text: str) -> str:
    return " ".join(text.replace("``", "`").split())


def _options(group: str) -> str:
    parts = [f"### `{group}=` {{ #options-{group} }}\n"]
    for file in sorted((CONFIG_DIR / group).glob("*.yaml")):
        parts.append(_details(f"{group}={file.stem}: {_first_comment(file)}", file))
    return "\n".join(parts)


def _details(title: str, file: Path) -> str:
    """Return a file's content that opens on a click."""
    text = "\n".join(f"    {line}".rstrip() for line in file.read_text().strip().splitlines())
    return f'??? note "{title}"\n\n    ```yaml\n{text}\n    ```\n'


def _first_comment(file: Path) -> str:
    comments = [line for line in file.read_text().splitlines() if line.startswith("# ")]
    return next(line for line in comments if "@package" not in line).removeprefix("# ").replace('"', "'")
