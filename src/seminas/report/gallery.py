"""Collect the architectures of the points on a page. Each is on the page once, with its graph for a drawing."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from seminas.loop.drawing import Graph
from seminas.report.runs import Run
from seminas.spaces.base import SearchSpace
from seminas.storage.values import Json


class Gallery:
    """The architectures of a section, numbered in the order in which its charts ask for them."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._architectures: list[Json] = []

    def number(self, key: str, architecture: Json) -> int:
        """Return the number of an architecture.

        Args:
            key: Name of the architecture in its space.
            architecture: Architecture in the JSON form of its space.
        """
        if key not in self._numbers:
            self._numbers[key] = len(self._architectures)
            self._architectures.append(architecture)
        return self._numbers[key]

    def of_best(self, run: Run) -> int:
        """Return the number of the best architecture of a run."""
        return self.number(run.best[0], run.result.best_architecture)

    def entries(self, space: SearchSpace | None) -> list[Mapping[str, Any]]:
        """Return the key, the JSON form and the graph of each architecture.

        Args:
            space: Space of the architectures. None if it cannot be made. Then the entries have no graphs.

        Raises:
            ValueError: An architecture is none of the space.
        """
        entries: list[Mapping[str, Any]] = []
        for key, architecture in zip(self._numbers, self._architectures, strict=True):
            entry: dict[str, Any] = {"key": key, "json": json.dumps(architecture)}
            if space is not None:
                entry["graph"] = asdict(Graph.of(space, space.from_json(architecture)))
            entries.append(entry)
        return entries
