"""Limits of several costs at once: counted exactly, drawn from uniformly, and legal to the last token."""

import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from seminas.config.spaces import MobileNetSettings, SequenceSettings
from seminas.errors import UserError
from seminas.spaces import budget_chain as module
from seminas.spaces.base import SearchSpace
from seminas.spaces.budget_chain import BudgetChain, budget_chain
from seminas.spaces.constrained import constrained
from seminas.spaces.exact import Limit, exact_costs
from seminas.spaces.latency import read_latency
from seminas.spaces.mobilenet import MobileNet
from seminas.spaces.mobilenet.costs import latency_names
from seminas.spaces.mobilenet.network import STANDALONE
from seminas.spaces.nasbench101 import NASBench101
from seminas.spaces.nasbench201 import NASBench201
from seminas.spaces.sequence import SequenceSpace
from seminas.spaces.sums import Sum

POSITIONS = {"a": ["1", "2", "3"], "b": ["1", "2"], "c": ["1", "2", "3", "4"], "d": ["1", "2"]}


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def random_table(path: Path, positions: dict[str, list[str]] = POSITIONS, seed: int = 0) -> str:
    """Write a table of random times."""
    rng = np.random.default_rng(seed)
    rows = [f"{p},{c},{rng.uniform(0.1, 2):.4f}" for p, choices in positions.items() for c in choices]
    return write(path, "# a comment\nposition,choice,latency_ms\n" + "\n".join(rows) + "\n")


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_several_sums_are_counted_exactly(data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    number = data.draw(st.integers(1, 3))
    every = np.array(list(product(*map(range, shape))))
    sums, legal = [], np.ones(len(every), dtype=bool)
    for _ in range(number):
        costs = [data.draw(st.lists(st.integers(0, 30), min_size=n, max_size=n)) for n in shape]
        limit = data.draw(st.integers(0, 80))
        sums.append(Sum(costs, limit))
        legal &= sum(np.array(costs[p])[every[:, p]] for p in range(len(shape))) <= limit
    chain = BudgetChain(sums)
    assert chain.size == legal.sum()
    if chain.size:
        np.testing.assert_array_equal(chain.at(np.arange(chain.size)), every[legal])
        np.testing.assert_array_equal(chain.index(every) >= 0, legal)


def test_draws_under_two_limits_are_uniform(tmp_path: Path) -> None:
    space = SequenceSpace("s", POSITIONS, latency=random_table(tmp_path / "t.csv"), max_latency_ms=4.0)
    costs = [[3, 1, 4], [1, 5], [9, 2, 6, 5], [0, 2]]
    chain = BudgetChain([Sum(costs, 14), Sum(space.cost_sums()["latency_ms"].costs, 4_000_000)])
    drawn = chain.index(chain.draw(20_000, np.random.default_rng(0)))
    counts = np.bincount(drawn, minlength=chain.size)
    assert 5 < chain.size < space.size
    assert chisquare(counts).pvalue > 0.01


def test_rounded_sums_admit_nothing_beyond_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    costs = [rng.integers(0, 10**9, 5).tolist() for _ in range(9)]
    others = [rng.integers(0, 10**9, 5).tolist() for _ in range(9)]
    sums = [Sum(costs, 315 * 10**7, key="space.a"), Sum(others, 36 * 10**8, key="space.b")]
    exact = BudgetChain(sums)
    most = max(len(layer.keys) for layer in exact._layers)
    monkeypatch.setattr(module, "MOST_JOINT_STATES", most * 3 // 4)
    rounded = budget_chain(sums)
    assert 0.5 * exact.size < rounded.size < exact.size
    rows = rounded.at(np.arange(rounded.size))
    assert exact.holds(rows).all()
    monkeypatch.setattr(module, "MOST_JOINT_STATES", 2)
    with pytest.raises(
        UserError, match=r"space\.[ab]: takes too many different values to count with the other"
    ):
        budget_chain(sums)


def written(space: SearchSpace, n: int) -> list:
    """Return architectures that random legal tokens write."""
    tokens = torch.zeros((n, 0), dtype=torch.long)
    generator = torch.Generator().manual_seed(0)
    for _ in range(space.max_length):
        legal = space.legal_tokens(tokens)
        tokens = torch.cat([tokens, torch.multinomial(legal.float(), 1, generator=generator)], dim=1)
    return space.decode(tokens.numpy())


def test_all_limits_of_the_mobile_space_hold_wherever_architectures_come_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_JOINT_STATES", 100_000)
    rng = np.random.default_rng(0)
    free = MobileNet(MobileNetSettings(image=[3, 200, 200]))
    macs = zip(free.positions.items(), free.cost_sums()["macs"].costs, strict=True)
    rows = [
        f"{p},{c},{m * rng.uniform(1, 1.2) / 2.5e7:.4f}"
        for (p, choices), costs in macs
        for c, m in zip(choices, costs, strict=True)
        if c != "7"
    ]
    table = write(tmp_path / "t.csv", "position,choice,latency_ms\n" + "\n".join(rows) + "\n")
    limited = MobileNetSettings(
        max_macs=400e6, max_parameters=5e6, latency=table, max_latency_ms=14, image=[3, 200, 200]
    )
    space = MobileNet(limited)
    limits = np.array([400e6, 5e6, 14])
    names = ("macs", "parameters", "latency_ms")
    assert 0 < space.size < MobileNet(MobileNetSettings(max_macs=400e6, image=[3, 200, 200])).size
    sampled = space.sample(200, np.random.default_rng(0))
    decoded = written(space, 20)
    assert None not in decoded
    costs = exact_costs(space)([*sampled, *decoded, *space.neighbors(sampled[0])], names)
    assert (costs <= limits).all()
    assert costs[:200].max(axis=0).min() > 0 and (costs[:200].max(axis=0) > 0.9 * limits).any()
    assert space.at(space.index(sampled)) == sampled


def test_limits_join_conditions_and_other_rules(tmp_path: Path) -> None:
    positions = {
        "depth": {"values": [1, 2]},
        "k": {"values": [3, 5], "when": {"depth": 2}},
        "w": {"values": [8, 16]},
    }
    rows = "depth:1,1\ndepth:2,2\nk:3,0.5\nk:5,0.7\nw:8,1\nw:16,1.5\n"
    table = write(tmp_path / "t.csv", "name,mean\n" + rows)
    space = SequenceSpace("s", positions, [{"depth": 1, "w": 16}], latency=table)
    within = space.within({"latency_ms": Limit(3.6, "search.constraints.latency_ms")})
    every = space.at(np.arange(space.size))
    times = exact_costs(space)(every, ["latency_ms"])[:, 0]
    assert within.at(np.arange(within.size)) == [a for a, t in zip(every, times, strict=True) if t <= 3.6]
    assert (space.size, within.size) == (5, 2)
    with pytest.raises(UserError, match=r"latency_ms=1.5: must be at least 2, the smallest latency_ms"):
        space.within({"latency_ms": Limit(1.5, "search.constraints.latency_ms")})


def test_a_tighter_limit_of_the_search_holds() -> None:
    space = MobileNet(MobileNetSettings(max_macs=500e6))
    same = constrained(space, exact_costs(space), {"macs": Limit(900e6, "search.constraints.macs")})
    assert same.size == space.size
    tighter = constrained(space, exact_costs(space), {"macs": Limit(300e6, "search.constraints.macs")})
    assert tighter.size == MobileNet(MobileNetSettings(max_macs=300e6)).size
    assert tighter.fingerprint() != space.fingerprint()


@pytest.mark.parametrize("space", [NASBench201(), pytest.param(NASBench101(), marks=pytest.mark.long)])
def test_cells_within_limits_are_exactly_the_feasible_ones(space) -> None:
    costs = exact_costs(space)
    limits = {
        "macs": Limit(1.5e9 if space.name == "nasbench101" else 60e6, "m"),
        "parameters": Limit(5e5, "p"),
    }
    within = constrained(space, costs, limits)
    values = costs.uncached(space.at(np.arange(space.size)), ("macs", "parameters"))
    fits = (values <= [limits["macs"].at_most, 5e5]).all(axis=1)
    assert within.size == fits.sum() and 100 < within.size < space.size
    np.testing.assert_array_equal(space.index(within.at(np.arange(within.size))), np.flatnonzero(fits))


def test_nothing_within_the_limits_is_one_line(tmp_path: Path) -> None:
    space = NASBench201()
    costs = exact_costs(space)
    limits = {
        "macs": Limit(8e6, "search.constraints.macs"),
        "parameters": Limit(1e5, "search.constraints.parameters"),
    }
    assert constrained(space, costs, limits).size > 0
    limits["parameters"] = Limit(1000, "search.constraints.parameters")
    with pytest.raises(UserError, match=r"parameters=1000: must be at least 73,306, the smallest value"):
        constrained(space, costs, limits)
    mobile = MobileNet()
    with pytest.raises(
        UserError, match=r"search.constraints.macs=1e\+08: must be at least 182,479,200, the smallest"
    ):
        constrained(mobile, exact_costs(mobile), {"macs": Limit(1e8, "search.constraints.macs")})
    table = write(tmp_path / "t.csv", "position,choice,mean\na,1,1\na,2,3\nb,1,3\nb,2,1\n")
    with pytest.raises(
        UserError, match="space.max_latency_ms=1.5: must be at least 2, the smallest latency_ms"
    ):
        SequenceSpace("s", {"a": ["1", "2"], "b": ["1", "2"]}, latency=table, max_latency_ms=1.5)


def test_limits_that_contradict_each_other_are_one_line(tmp_path: Path) -> None:
    opposed = "".join(f"{b},{c},{8 - c}\n" for b in ("a", "b") for c in (1, 2))
    table = write(tmp_path / "t.csv", "position,choice,mean\n" + opposed)
    costs = [{"sum": {"a": {"1": 1, "2": 9}, "b": {"1": 1, "2": 9}}, "at_most": 2}]
    with pytest.raises(
        UserError, match="space.max_latency_ms=12: must be larger, or the other limits looser"
    ):
        SequenceSpace("s", {"a": ["1", "2"], "b": ["1", "2"]}, (), costs, latency=table, max_latency_ms=12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("position,choice,mean\na,1,1\n", "has no time for 2 at a"),
        ("position,choice,mean\na,1,1\na,2,-3\n", "line 3: time '-3' of a:2 must be a number of at least 0"),
        (
            "position,choice,mean\na,1,nan\na,2,3\n",
            "line 2: time 'nan' of a:1 must be a number of at least 0",
        ),
        ("# c\n\nposition,choice,mean\na,1,1\na,2,\n", "line 5: time '' of a:2 must be a number"),
        ("position,choice,mean\na,1,1\na,1,2\n", "line 3: has a second time for a:1"),
        ("position,choice,seconds\na,1,1\n", "must be a table with one of the columns median_ms, latency_ms"),
        ("layer,latency\na,1\n", "must be a table with the columns position and choice, or name, key, op"),
        ("", "must be a table with one of the columns"),
        ("name,mean\n", "must be a file with at least one time"),
    ],
)
def test_a_wrong_table_is_one_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="^space.latency=.*t.csv") as error:
        read_latency(write(tmp_path / "t.csv", text), {"a": ["1", "2"]})
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_missing_table_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="space.latency=.*none.csv: cannot be read"):
        read_latency(str(tmp_path / "none.csv"), {"a": ["1"]})
    for section in (MobileNetSettings, SequenceSettings):
        needed = {"name": "s", "positions": {}} if section is SequenceSettings else {}
        with pytest.raises(UserError, match="space.max_latency_ms=5: must be null without space.latency"):
            section(max_latency_ms=5, **needed)
    for wrong in (-1, float("nan"), float("inf")):
        with pytest.raises(UserError, match="space.max_parameters"):
            MobileNetSettings(max_parameters=wrong)


def test_tables_of_others_are_read(tmp_path: Path) -> None:
    """The keys are those of once-for-all and ProxylessNAS; a table by operation alone is that of nn-Meter."""
    names = latency_names(STANDALONE, 1000, (3, 224, 224))
    assert names.of_block["s1b1", "1"] == (
        "expanded_conv-input:112x112x24-output:56x56x32-expand:3-kernel:3-stride:2-idskip:0"
    )
    assert names.fixed[2:] == ["Conv_1-input:7x7x432-output:7x7x1728", "Logits-input:7x7x1728-output:1000"]
    keys = sorted({*(n for (_, op), n in names.of_block.items() if op != "7"), *names.fixed})
    text = "".join(f"{key}:\n  count: 5\n  mean: {1 + i / 8}\n" for i, key in enumerate(keys))
    by_yaml = MobileNet(MobileNetSettings(latency=write(tmp_path / "ofa.yaml", text)))
    rows = "".join(f"{key}-se:0-hs:0,{1 + i / 8}\n" for i, key in enumerate(keys))
    by_csv = MobileNet(MobileNetSettings(latency=write(tmp_path / "ofa.csv", "key,mean\n" + rows)))
    architectures = by_yaml.sample(5, np.random.default_rng(0))
    times = exact_costs(by_yaml)(architectures, ["latency_ms"])
    np.testing.assert_array_equal(times, exact_costs(by_csv)(architectures, ["latency_ms"]))
    mean = dict(zip(keys, (1 + i / 8 for i in range(len(keys))), strict=True))
    expected = sum(mean[n] for n in names.fixed) + sum(
        mean[names.of_block[block, op]]
        for block, op in by_yaml.to_json(architectures[0]).items()  # type: ignore[union-attr]
        if op != "7"
    )
    assert times[0, 0] == pytest.approx(expected)
    meter = write(tmp_path / "nn_meter.csv", "op,latency\n" + "".join(f"{op},{op}.5\n" for op in "123456"))
    space = MobileNet(MobileNetSettings(latency=meter))
    assert exact_costs(space)([(0,) * 21], ["latency_ms"]).tolist() == [[21 * 1.5]]


@pytest.mark.long
def test_a_budget_at_an_odd_resolution_needs_little_memory_as_a_process() -> None:
    """The peak of the whole process beyond the imports."""
    code = """
import torch
from seminas.config.spaces import MobileNetSettings
from seminas.spaces.mobilenet import MobileNet
def peak():
    return int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1]) / 1024
before = peak()
MobileNet(MobileNetSettings(image=[3, 225, 225], max_macs=600e6))
print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 500
