"""Test ``measurements/gpu.py`` in tiny sizes on the CPU."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support import ROOT

RATIOS = {
    ("steps", "ours_to_plain"): ("eager", "ours_images_per_s", "plain_images_per_s"),
    ("paths", "side_by_side_to_one_after_another"): (
        "",
        "side_by_side_paths_per_s",
        "one_after_another_paths_per_s",
    ),
}
"""Ratios, and the two numbers of the same run from which they are computed."""


def finite(numbers: dict[str, Any]) -> bool:
    return all(
        finite(value) if isinstance(value, dict) else not isinstance(value, float) or math.isfinite(value)
        for value in numbers.values()
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("gpu") / "reports" / "tiny.json"
    command = [sys.executable, str(ROOT / "measurements" / "gpu.py"), "--tiny", "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=out.parents[1])
    assert done.returncode == 0, done.stderr
    written: dict[str, Any] = json.loads(out.read_text())
    return written


@pytest.mark.long
@pytest.mark.timeout(600)
def test_all_parts_run_in_tiny_sizes(report: dict[str, Any]) -> None:
    assert list(report["parts"]) == ["steps", "reading", "paths", "packing", "fits"]
    assert report["sizes"] == "tiny" and report["machine"]["torch"]
    for name, numbers in report["parts"].items():
        assert finite(numbers), name
        ends = ("_per_s", "_per_hour", "_fit_s")
        speeds = [v for key, v in numbers.items() if key.endswith(ends) and v is not None]
        assert all(speed > 0 for speed in speeds), name
    for (part, name), (section, one, other) in RATIOS.items():
        numbers = report["parts"][part][section] if section else report["parts"][part]
        assert numbers[name] == pytest.approx(numbers[one] / numbers[other], rel=2e-3)
    packing = report["parts"]["packing"]
    best = packing[f"{packing['best_number']}_at_a_time_per_hour"]
    assert packing["best_to_one"] == pytest.approx(best / packing["1_at_a_time_per_hour"], rel=1e-3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--parts", "x"], "must be one of"), pytest.param(["--help"], "--tiny", marks=pytest.mark.long)],
)
def test_its_help_and_its_errors(arguments: list[str], words: str, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "measurements" / "gpu.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert words in done.stdout + done.stderr and "Traceback" not in done.stderr
