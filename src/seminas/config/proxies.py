"""Settings of zero-cost proxies."""

from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

from seminas.config.fields import Settings, setting
from seminas.config.networks import MobileNetNetwork, NASBench101Network, NASBench201Network
from seminas.errors import config_error

PROXIES = ("synflow", "naswot", "jacobian", "parameters", "macs")
"""Names of the proxies."""
RANK_MEAN = "rank_mean"
"""Name of the mean of the ranks of the proxies in ``evaluator.ranked``."""


@dataclass
class ProxyNetworkSettings(Settings):
    """Networks and images from which proxies are computed.

    Attributes:
        names: Names of the proxies: ``synflow`` (Tanaka et al., NeurIPS 2020), ``naswot`` and ``jacobian`` (Mellor et
            al., ICML 2021), ``parameters`` and ``macs``.
        batch_size: Number of images of noise.
        resolution: Height and width of the images.
        seed: Seed of the weights and the noise.
        device: Device of the networks: ``cpu``, ``cuda`` (the first GPU) or ``auto`` (a GPU if there is one). The
            values of a GPU differ slightly from those of a CPU, so each has a cache of its own.
        networks: Network skeletons by the name of the space, see ``seminas.config.networks``. The defaults are small.
        cache: Folder of the files with computed proxies. Null means the folder ``proxies`` of ``$SEMINAS_CACHE``.
    """

    KEY: ClassVar[str] = "proxies"

    names: list[str] = setting(list(PROXIES), choices=PROXIES, distinct=True)
    batch_size: int = setting(16, at_least=2, unit="images")
    resolution: int = setting(16, at_least=4, unit="pixels")
    seed: int = setting(0, at_least=0)
    device: str = setting("cpu", choices=("auto", "cpu", "cuda"))
    networks: dict[str, Any] = setting(
        {
            "nasbench101": asdict(NASBench101Network(stem_channels=16, cells_per_stack=1)),
            "nasbench201": asdict(NASBench201Network(channels=8, cells_per_stage=1)),
            "mobilenet": asdict(MobileNetNetwork()),
        }
    )
    cache: str | None = setting(None, may_change=True)

    def with_names(self, names: list[str]) -> "ProxyNetworkSettings":
        """Return the settings with other proxies."""
        return replace(self, names=list(names))

    def check_together(self, key: str) -> None:
        """Refuse no proxy at all, and a network skeleton that is not a mapping."""
        if not self.names:
            raise config_error(f"{key}.names", self.names, f"some of {', '.join(PROXIES)}")
        for name, arguments in self.networks.items():
            if not isinstance(arguments, dict):
                raise config_error(f"{key}.networks.{name}", arguments, "a group of keys")


@dataclass
class ProxySettings(ProxyNetworkSettings):
    """Section ``proxies``: proxies as features of architectures, and in the choice of the first round.

    Attributes:
        sample: Number of random architectures whose proxies define the scale of the features. They are also the
            candidates for the first round.
        features: Source of the features. ``exact``: the proxies of each architecture that a model reads.
            ``predicted``: predictions from the graph, by a model of the proxies of the sample. They cost nothing
            for further architectures. ``none``: models read no proxies, and only the first round uses them.
        prior: Name of the proxy that the expected improvement of a search expects to be right before it knows labels.
            Its Gaussian process learns the difference between the targets and ``prior_weight`` times the quantile of
            the proxy. Null means no such expectation. Rankings of a whole space have none, because it made them worse.
        prior_weight: Weight of the quantile of ``prior``, in standard deviations of the targets.
        first_round: Fraction of the first round that consists of the architectures of the sample with the highest
            rank mean of the proxies in ``ranked``. The other architectures are random.
        ranked: Names of the proxies whose ranks choose a part of the first round.
    """

    sample: int = setting(250, at_least=10, unit="architectures")
    features: str = setting("predicted", choices=("exact", "predicted", "none"))
    prior: str | None = setting("synflow", choices=PROXIES)
    prior_weight: float = setting(0.5, at_least=0)
    first_round: float = setting(0.0, at_least=0, at_most=1)
    ranked: list[str] = setting(["synflow"], choices=PROXIES, distinct=True)

    def check_together(self, key: str) -> None:
        """Refuse a rank mean of proxies that are not computed, or of none."""
        super().check_together(key)
        missing = [name for name in self.ranked if name not in self.names]
        if self.prior is not None and self.prior not in self.names:
            raise config_error(f"{key}.prior", self.prior, f"one of {key}.names={self.names}")
        if missing or not self.ranked:
            raise config_error(f"{key}.ranked", self.ranked, f"some of {key}.names={self.names}")
