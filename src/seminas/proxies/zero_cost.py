"""Zero-cost proxies of the architectures of a space, with a cache."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Generic

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from seminas.config.proxies import ProxyNetworkSettings
from seminas.errors import UserError, config_error, first_line
from seminas.execution.threads import one_thread
from seminas.proxies.cache import Entry, ProxyCache, digest
from seminas.proxies.measures import VERSION, LackError, measured
from seminas.spaces.base import A, EnumerableSpace, SearchSpace
from seminas.spaces.capabilities import NUM_CLASSES, BuildsNetworks, require
from seminas.storage.files import cache_dir
from seminas.storage.values import Json

FLUSH_S = 1.0
"""Seconds between two writes to the cache. A kill loses at most the proxies of this time."""
CHANNELS = 3
"""Number of channels of the noise."""


class ZeroCost(Generic[A]):
    """Zero-cost proxies of architectures. A value depends on the architecture and the settings only.

    All networks start from the same random generator, so layers of the same shape often have the same weights. This
    makes differences between architectures less noisy.

    Attributes:
        space: Space that builds the networks.
        settings: Settings of the networks and the noise.
        builder: The same space, as the builder of networks.
        names: Names of the proxies.
        seconds: Duration of the computation of all architectures that this object was asked for, in seconds. The cache
            knows the duration of the ones that it holds, so the cost does not depend on the cache.
    """

    def __init__(
        self,
        space: SearchSpace[A],
        settings: ProxyNetworkSettings,
        key: str = "proxies",
        section: str | None = None,
        named: str | None = None,
    ) -> None:
        """Open the cache, and compute the proxies of one architecture, to find errors.

        Args:
            space: Space that builds networks.
            settings: Settings of the networks and the noise.
            key: Key of the option that needs the networks, for errors.
            section: Key of the settings, for errors. None means ``key``.
            named: Setting that names the proxies with its value, for errors. None means ``names`` of the settings.

        Raises:
            UserError: The space builds no networks, a proxy cannot be computed for them, there is no GPU, or the cache
                cannot be used.
        """
        self.builder: Any = require(space, BuildsNetworks, f"{key}=zero_cost" if key == "proxies" else key)
        if settings.device == "cuda" and not torch.cuda.is_available():
            raise config_error(f"{section or key}.device", "cuda", "cpu or auto, PyTorch finds no GPU here")
        on_gpu = settings.device != "cpu" and torch.cuda.is_available()
        self.space, self.settings, self.names = space, settings, tuple(settings.names)
        self._named, self.seconds = named or f"{key}.names={list(settings.names)}", 0.0
        self._counted: set[str] = set()
        self._device = torch.device("cuda:0" if on_gpu else "cpu")
        shape = (settings.batch_size, CHANNELS, settings.resolution, settings.resolution)
        self._images = torch.randn(shape, generator=torch.Generator().manual_seed(settings.seed))
        self._images = self._images.to(self._device)
        self._skeleton: dict[str, Json] = dict(settings.networks.get(space.name, {}))
        try:
            # The check of one architecture finds errors now, before anything is paid for.
            name = self._digest()
            self.compute(self._first())
        except UserError:
            raise
        except Exception as error:  # For wrong arguments, networks raise exceptions of many types.
            raise UserError(f"{section or key}: space={space.name}: {first_line(error)}") from error
        folder = Path(settings.cache).expanduser() if settings.cache else cache_dir() / "proxies"
        self._cache = ProxyCache(folder / f"{space.name}-{name}.jsonl", len(self.names))

    def values(self, architectures: Sequence[A]) -> NDArray[np.float64]:
        """Return the proxies of architectures, ``[n, P]``, in the order of ``names``."""
        keys = [self.space.key(a) for a in architectures]
        missing = {k: a for k, a in zip(keys, architectures, strict=True) if self._cache.get(k) is None}
        if missing:
            self._cache.refresh()
            missing = {k: a for k, a in missing.items() if self._cache.get(k) is None}
            self._compute(missing)
        rows = []
        for key in keys:
            entry = self._cache.get(key)
            assert entry is not None
            rows.append(entry.values)
            if key not in self._counted:
                self._counted.add(key)
                self.seconds += entry.seconds
        return np.array(rows, dtype=np.float64).reshape(len(keys), len(self.names))

    @one_thread()
    def compute(self, architecture: A) -> dict[str, float]:
        """Compute the proxies of one architecture by name, without the cache.

        Raises:
            UserError: The network lacks what a proxy needs.
        """
        try:
            return measured(self._network(architecture), self._images, self.names)
        except LackError as error:
            key = self.space.key(architecture)
            raise UserError(f"{self._named}: {key}: {error}") from error

    def _digest(self) -> str:
        """Return a digest of all that decides the proxies of an architecture, for the name of the cache.

        The shapes of the parameters of one network tell settings of a space apart, such as widths.
        """
        space, settings = self.space, self.settings
        shapes = [[name, *p.shape] for name, p in self._network(self._first()).named_parameters()]
        return digest(
            VERSION,
            f"{type(space).__module__}.{type(space).__qualname__}",
            space.fingerprint() if isinstance(space, EnumerableSpace) else None,
            shapes,
            list(self.names),
            [settings.batch_size, settings.resolution, settings.seed],
            self._skeleton,
            self._device.type,
        )

    def _first(self) -> A:
        return self.space.sample(1, np.random.default_rng(0))[0]

    def _network(self, architecture: A) -> nn.Module:
        """Return the network of an architecture with the weights that the seed gives."""
        forked = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices=forked):
            torch.manual_seed(self.settings.seed)
            network: nn.Module = self.builder.build_network(
                architecture, NUM_CLASSES, CHANNELS, **self._skeleton
            )
        return network.to(self._device)

    def _compute(self, architectures: dict[str, A]) -> None:
        """Compute the proxies of architectures by key, and write them into the cache."""
        for part in self._computed(architectures):
            self._cache.add(part)

    def _computed(self, architectures: dict[str, A]) -> Iterator[dict[str, Entry]]:
        done: dict[str, Entry] = {}
        written = time.perf_counter()
        for key, architecture in architectures.items():
            start = time.perf_counter()
            values = self.compute(architecture)
            now = time.perf_counter()
            done[key] = Entry(tuple(values[name] for name in self.names), now - start)
            if now - written > FLUSH_S:
                yield done
                done, written = {}, now
        if done:
            yield done
