"""Evaluator that scores networks by a zero-cost proxy, a baseline without any training."""

from collections.abc import Iterator, Sequence

from seminas.config.evaluators import ProxyEvaluatorSettings
from seminas.config.proxies import RANK_MEAN, ProxySettings
from seminas.evaluators.base import Evaluator
from seminas.evaluators.evaluation import Evaluation
from seminas.proxies.descriptors import ProxyDescriptor
from seminas.proxies.zero_cost import ZeroCost
from seminas.runs.metric import Metric
from seminas.spaces.base import A, SearchSpace
from seminas.spaces.cost import count_parameters


class ProxyEvaluator(Evaluator[A]):
    """Evaluator whose values are those of one proxy, or the mean of the ranks of several proxies.

    The metric has the name of the proxy, and higher values are better. There is no test value. The rank mean is the
    mean of the quantiles of a normal distribution for the ranks among random architectures (see ``ProxyDescriptor``).
    """

    def __init__(self, space: SearchSpace[A], seed: int, settings: ProxyEvaluatorSettings) -> None:
        """Open the cache of proxies.

        Args:
            space: Space that builds networks.
            seed: Seed of the random architectures of the rank mean.
            settings: Name of the proxy, and settings of its networks.

        Raises:
            UserError: The space builds no networks, the proxy cannot be computed for them, or the cache cannot be used.
        """
        self.metric = Metric(settings.proxy, "maximize")
        self._ranks = settings.proxy == RANK_MEAN
        networks = settings.networks.with_names(settings.ranked if self._ranks else [settings.proxy])
        named = f"evaluator.ranked={settings.ranked}" if self._ranks else f"evaluator.proxy={settings.proxy}"
        self._proxies: ZeroCost[A] = ZeroCost(space, networks, "evaluator.proxy", "evaluator.networks", named)
        ranked = ProxySettings(
            names=networks.names, ranked=networks.names, prior=None, sample=settings.sample
        )
        self._descriptor = ProxyDescriptor(self._proxies, ranked, space, seed)

    def evaluate(self, architectures: Sequence[A]) -> Iterator[tuple[int, Evaluation]]:
        """Yield the position and the evaluation of each architecture. The cost is the time of its proxies."""
        for i, architecture in enumerate(architectures):
            before_s = self._proxies.seconds
            values = self._proxies.values([architecture])
            value = self._descriptor.rank_mean(values)[0] if self._ranks else values[0, 0]
            yield i, Evaluation(float(value), self._proxies.seconds - before_s)

    def num_parameters(self, architecture: A) -> int:
        """Return the number of trainable parameters of an architecture's network for CIFAR-10."""
        return count_parameters(self._proxies.builder.build_network(architecture, 10, 3))
