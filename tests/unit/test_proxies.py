"""Zero-cost proxies: their definitions on tiny networks, their cache, and their use as descriptors."""

import multiprocessing
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from seminas.config.proxies import PROXIES, ProxyNetworkSettings, ProxySettings
from seminas.controller.models.inputs import as_inputs
from seminas.errors import UserError
from seminas.proxies.cache import Entry, ProxyCache
from seminas.proxies.descriptors import ProxyDescriptor
from seminas.proxies.measures import RIDGE, SAME, measured
from seminas.proxies.zero_cost import ZeroCost
from seminas.spaces.cost import count_macs, count_parameters
from seminas.spaces.nasbench201 import NASBench201
from seminas.spaces.sequence import SequenceSpace

IMAGES = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(1))


def tiny() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, stride=2),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, padding=1, groups=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(36, 5),
    )


def test_synflow_is_the_sum_of_each_weight_times_its_gradient() -> None:
    value = measured(tiny(), IMAGES, ["synflow"])["synflow"]
    network = tiny().double().eval()
    for parameter in network.parameters():
        parameter.data.abs_()
    network(torch.ones(1, 3, 6, 6, dtype=torch.double)).sum().backward()
    weights = [m.weight for m in network if isinstance(m, nn.Conv2d | nn.Linear)]
    score = sum(float((w.detach() * w.grad).sum()) for w in weights)
    assert value == pytest.approx(np.log(score), rel=1e-5)


def test_naswot_is_the_determinant_of_equal_activations() -> None:
    value = measured(tiny(), IMAGES, ["naswot"])["naswot"]
    x, codes = IMAGES, []
    for module in tiny().train():
        x = module(x)
        if isinstance(module, nn.ReLU):
            codes.append((x > 0).flatten(1).numpy())
    code = np.concatenate(codes, axis=1)
    equal = np.array([[(a == b).sum() for b in code] for a in code], dtype=float)
    equal += np.eye(4) * SAME * code.shape[1]
    assert value == pytest.approx(np.log(np.linalg.det(equal)))


def test_jacobian_reads_the_gradients_of_the_images() -> None:
    value = measured(tiny(), IMAGES, ["jacobian"])["jacobian"]
    network = tiny().train()
    rows = torch.autograd.functional.jacobian(lambda x: network(x).sum(), IMAGES).flatten(1).double()
    eigenvalues = np.linalg.eigvalsh(np.corrcoef(rows.numpy()))
    assert value == pytest.approx(np.log(eigenvalues.clip(0) + RIDGE).sum(), rel=1e-4)


def test_parameters_and_macs_are_those_of_the_network() -> None:
    values = measured(tiny(), IMAGES, ["parameters", "macs"])
    assert np.exp(values["parameters"]) == pytest.approx(count_parameters(tiny()))
    assert np.exp(values["macs"]) == pytest.approx(count_macs(tiny(), (3, 6, 6)))


def test_measuring_changes_no_weight() -> None:
    network = tiny()
    measured(network, IMAGES, PROXIES)
    for after, before in zip(network.parameters(), tiny().parameters(), strict=True):
        assert torch.equal(after, before)
        assert after.requires_grad


def test_a_network_that_a_proxy_cannot_read_is_named() -> None:
    smooth = nn.Sequential(nn.Flatten(), nn.Linear(108, 4), nn.GELU(), nn.Linear(4, 2))
    assert set(measured(smooth, IMAGES, ["synflow", "jacobian"])) == {"synflow", "jacobian"}
    with pytest.raises(ValueError, match="naswot needs an activation"):
        measured(smooth, IMAGES, ["naswot"])
    with pytest.raises(ValueError, match="synflow and macs need a convolution"):
        measured(nn.Sequential(nn.ReLU(), nn.Flatten()), IMAGES, ["synflow"])


class Smooth(NASBench201):
    """Cells whose networks have no ReLU."""

    def build_network(self, architecture, num_classes, in_channels, **skeleton):
        return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * in_channels, num_classes))


def proxies_of(folder: Path, **settings) -> ZeroCost:
    return ZeroCost(NASBench201(), ProxySettings(cache=str(folder), **settings))


def test_errors_come_before_anything_is_computed(tmp_path: Path) -> None:
    settings = ProxySettings(cache=str(tmp_path))
    with pytest.raises(UserError, match=r"proxies.names=.*: naswot needs an activation such as ReLU"):
        ZeroCost(Smooth(), settings)
    chain = SequenceSpace("chain", {"a": [1, 2], "b": [1, 2]})
    with pytest.raises(UserError, match="proxies=zero_cost: space=chain builds no networks"):
        ZeroCost(chain, settings)
    wrong = replace(settings, networks={"nasbench201": {"channels": -1}})
    with pytest.raises(UserError, match="channels=-1: must be at least 1"):
        ZeroCost(NASBench201(), wrong)
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="proxies.device=cuda: must be cpu or auto"):
            ZeroCost(NASBench201(), replace(settings, device="cuda"))
    for values, message in (
        ({"names": ["zen"]}, "proxies.names=.*zen"),
        ({"names": []}, "proxies.names"),
        ({"names": ["macs"]}, "proxies.prior=synflow: must be one of"),
        ({"ranked": [], "names": ["synflow"]}, "proxies.ranked"),
        ({"batch_size": 1}, "proxies.batch_size=1: must be at least 2"),
    ):
        with pytest.raises(UserError, match=message):
            ProxySettings(**values)
    assert not list(tmp_path.iterdir())


def test_values_depend_on_the_architecture_and_the_settings_only(tmp_path: Path) -> None:
    architectures = NASBench201().sample(6, np.random.default_rng(0))
    first = proxies_of(tmp_path / "a")
    values = first.values(architectures)
    torch.manual_seed(9)
    second = proxies_of(tmp_path / "b")
    backwards = second.values(architectures[::-1])
    assert np.array_equal(values, backwards[::-1])
    assert np.isfinite(values).all()
    other = proxies_of(tmp_path / "a", seed=1)
    assert not np.array_equal(other.values(architectures), values)
    assert len(list((tmp_path / "a").glob("*.jsonl"))) == 2  # Settings have files of their own.


def test_the_cache_answers_and_keeps_the_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    architectures = NASBench201().sample(3, np.random.default_rng(0))
    first = proxies_of(tmp_path)
    values = first.values(architectures)
    assert first.seconds > 0
    second = proxies_of(tmp_path)
    monkeypatch.setattr(second, "compute", lambda architecture: pytest.fail("computed again"))
    assert np.array_equal(second.values([*architectures, architectures[0]]), [*values, values[0]])
    assert second.seconds == pytest.approx(first.seconds, abs=1e-5)


def test_a_torn_line_is_ignored_and_nothing_else_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "cache.jsonl"
    ProxyCache(path, 2).add({"a": Entry((1.0, 2.0), 0.5)})
    with path.open("ab") as file:
        file.write(b'{"key": "b", "val')
    cache = ProxyCache(path, 2)
    assert cache.get("a") == Entry((1.0, 2.0), 0.5)
    assert cache.get("b") is None
    cache.add({"c": Entry((3.0, 4.0), 0.25)})
    cache.add({"c": Entry((9.0, 9.0), 0.25), "b": Entry((5.0, 6.0), 0.1)})
    again = ProxyCache(path, 2)
    assert [again.get(k) for k in "abc"] == [
        Entry((1.0, 2.0), 0.5),
        Entry((5.0, 6.0), 0.1),
        Entry((3.0, 4.0), 0.25),
    ]
    assert ProxyCache(path, 3).get("a") is None  # Of other settings.


def write_entries(path: Path, name: str, number: int) -> None:
    cache = ProxyCache(path, 1)
    for i in range(number):
        cache.add({f"{name}{i}": Entry((float(i),), 0.0), f"both{i}": Entry((float(i),), 0.0)})


def test_processes_share_the_cache_and_a_killed_one_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "cache.jsonl"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_entries, args=(path, name, 30)) for name in "ab"]
    endless = context.Process(target=write_entries, args=(path, "c", 10**6))
    for process in (*writers, endless):
        process.start()
    for process in writers:
        process.join()
    end = time.monotonic() + 20
    while not (path.exists() and b'"c5"' in path.read_bytes()) and time.monotonic() < end:
        time.sleep(0.02)
    os.kill(endless.pid or 0, signal.SIGKILL)
    endless.join()
    cache = ProxyCache(path, 1)
    for i in range(30):
        assert cache.get(f"a{i}") == cache.get(f"b{i}") == cache.get(f"both{i}") == Entry((float(i),), 0.0)
    assert all(cache.get(f"c{i}") is not None for i in range(6))
    cache.add({"d": Entry((1.0,), 0.0)})  # The lock is free again.
    lines = path.read_bytes().splitlines()
    assert len([line for line in lines if b'"both7"' in line]) == 1


@pytest.fixture(scope="module")
def descriptor(tmp_path_factory: pytest.TempPathFactory) -> ProxyDescriptor:
    settings = ProxySettings(cache=str(tmp_path_factory.mktemp("proxies")), sample=60, first_round=0.5)
    space = NASBench201()
    return ProxyDescriptor(ZeroCost(space, settings), settings, space, seed=0)


def test_predicted_descriptors_rank_like_the_exact_ones(descriptor: ProxyDescriptor) -> None:
    from scipy.stats import spearmanr

    architectures = NASBench201().sample(40, np.random.default_rng(5))
    predicted = descriptor(architectures)
    exact = ProxyDescriptor(
        descriptor._proxies, replace(descriptor._settings, features="exact"), NASBench201(), seed=0
    )(architectures)
    assert predicted.shape == exact.shape == (40, len(PROXIES))
    column = PROXIES.index("synflow")
    assert spearmanr(predicted[:, column], exact[:, column]).statistic > 0.9
    assert np.abs(exact).max() < 4
    assert np.allclose(descriptor.prior(architectures), 0.5 * predicted[:, column])


def test_the_first_round_has_the_best_of_the_sample_and_random_ones(descriptor: ProxyDescriptor) -> None:
    space = NASBench201()
    origins = descriptor.first_round(10, space, np.random.default_rng(3))
    assert list(origins.values()) == ["proxies"] * 5 + ["random"] * 5
    best = [a for a, origin in origins.items() if origin == "proxies"]
    sampled, values = descriptor._sample
    scores = descriptor.rank_mean(values)
    assert [sampled.index(a) for a in best] == np.argsort(-scores, kind="stable")[:5].tolist()
    others = descriptor.first_round(4, space, np.random.default_rng(3), exclude=best)
    assert not set(others) & set(best)


def test_a_described_space_gives_models_the_descriptors(descriptor: ProxyDescriptor) -> None:
    space = NASBench201()
    described = space.described(descriptor)
    architectures = space.sample(5, np.random.default_rng(0))
    assert space.descriptor is None
    assert np.array_equal(space.described_features(architectures), space.features(architectures))
    assert described.described_features(architectures).shape[1] == space.features(architectures).shape[1] + 5
    assert described.described_groups(architectures)[0].shape[1] == 75
    plain, with_proxies = as_inputs(space, architectures), as_inputs(described, architectures)
    assert torch.equal(with_proxies.statistics[:, :-5], plain.statistics)
    assert np.array_equal(with_proxies.statistics[:, -5:].numpy(), descriptor(architectures))
    distinct, row = with_proxies.distinct(("labels", "statistics"))
    assert torch.equal(distinct.select(torch.as_tensor(row)).statistics, with_proxies.statistics)
    assert (space.prior(architectures) == 0).all()


def test_default_skeletons_are_small() -> None:
    networks = ProxyNetworkSettings().networks
    assert networks["nasbench201"]["channels"] == 8
    assert networks["nasbench101"]["cells_per_stack"] == 1


def test_synflow_of_a_deep_network_is_finite() -> None:
    layers = [nn.Linear(64, 64, bias=False) for _ in range(60)]
    for layer in layers:
        nn.init.constant_(layer.weight, 1.0)
    deep = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 64, bias=False), *layers)
    nn.init.constant_(deep[1].weight, 1.0)
    before = [weights.clone() for weights in deep.parameters()]
    value = measured(deep, torch.zeros(2, 3, 16, 16), ["synflow"])["synflow"]
    # All paths have the product 1, so R is their number, and each of the 61 layers adds R.
    assert value == pytest.approx(np.log(61) + np.log(768) + 61 * np.log(64))
    assert all(torch.equal(a, b) for a, b in zip(before, deep.parameters(), strict=True))
    assert next(deep.parameters()).dtype == torch.float32
