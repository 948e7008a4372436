import pytest

from seminas.config.search import SearchSettings
from seminas.errors import UserError
from seminas.loop.plan import make_plan
from seminas.strategies.base import RoundSizes


def round_sizes(settings: SearchSettings, candidates: int, wanted: RoundSizes | None = None) -> list[int]:
    return make_plan(settings, candidates, wanted).sizes()


def test_nothing_set_is_25_and_three_rounds_of_25() -> None:
    assert round_sizes(SearchSettings(), 1000) == [25, 25, 25, 25]


@pytest.mark.parametrize("queries", [2, 3, 7, 20, 50, 150, 300, 999])
def test_max_queries_alone_is_spent_exactly_and_never_exceeded(queries: int) -> None:
    sizes = round_sizes(SearchSettings(max_queries=queries), 1000)
    assert sum(sizes) == queries and sizes[0] >= 2 and min(sizes) > 0
    if queries >= 50:
        assert 0.15 < sizes[0] / queries < 0.3 and len(sizes) >= 5


def test_what_is_set_is_kept() -> None:
    assert round_sizes(SearchSettings(num_labeled=100, num_new=100, num_rounds=2), 1000) == [100, 100, 100]
    assert round_sizes(SearchSettings(num_labeled=20), 1000) == [20, 20, 20, 20]
    assert round_sizes(SearchSettings(num_labeled=20, max_queries=70, num_new=20), 1000) == [20, 20, 20, 10]
    assert round_sizes(SearchSettings(num_labeled=20, num_new=20, num_rounds=9, max_queries=50), 1000) == [
        20,
        20,
        10,
    ]
    assert round_sizes(SearchSettings(num_new=10, num_rounds=3, max_queries=50), 1000) == [20, 10, 10, 10]
    assert round_sizes(SearchSettings(num_rounds=0, max_queries=50), 1000) == [50]


def test_sizes_of_a_strategys_own_spend_the_same() -> None:
    own = RoundSizes(20, 5)
    assert round_sizes(SearchSettings(), 1000, own) == [20, *[5] * 16]
    assert round_sizes(SearchSettings(max_queries=33), 1000, own) == [20, 5, 5, 3]
    assert round_sizes(SearchSettings(max_queries=12), 1000, own) == [12]
    # Sizes that are set override the strategy's sizes.
    assert round_sizes(SearchSettings(num_labeled=10, max_queries=21), 1000, own) == [10, 5, 5, 1]
    assert round_sizes(SearchSettings(num_labeled=10, num_new=30, num_rounds=2), 1000, own) == [10, 30, 30]
    assert round_sizes(SearchSettings(num_labeled=25, num_rounds=3), 1000, own) == [25, 25, 25, 25]


def test_own_sizes_may_grow_with_what_has_been_evaluated() -> None:
    sizes = round_sizes(SearchSettings(max_queries=100), 1000, RoundSizes(20, 5, 0.25))
    assert sizes == [20, 5, 5, 5, 5, 5, 6, 8, 10, 12, 15, 4]
    assert round_sizes(SearchSettings(max_queries=40, num_new=8), 1000, RoundSizes(20, 5, 0.5)) == [
        20,
        8,
        8,
        4,
    ]


def test_no_more_than_there_is() -> None:
    assert round_sizes(SearchSettings(num_labeled=50), 120) == [50, 50, 20]


@pytest.mark.parametrize(
    "settings",
    [
        {"num_labeled": 1},
        {"num_labeled": 1001},
        {"max_queries": 1},
        {"max_queries": 1001},
        {"num_labeled": 51, "max_queries": 50},
        {"num_new": 0},
        {"num_rounds": -1},
        {"pseudo_label_ratio": -0.5},
        {"pseudo_label_ratio": float("nan")},
    ],
)
def test_what_cannot_be_is_refused_by_its_key(settings: dict[str, float]) -> None:
    with pytest.raises(UserError, match=f"search.{next(iter(settings))}="):
        round_sizes(SearchSettings(**settings), 1000)  # type: ignore[arg-type]


@pytest.mark.parametrize("wanted", [None, RoundSizes(20, 5), RoundSizes(20, 5, 0.4)])
def test_rounds_that_were_planned_stay_when_a_search_is_extended(wanted: RoundSizes | None) -> None:
    planned = round_sizes(SearchSettings(max_queries=47), 1000, wanted)
    plan = make_plan(SearchSettings(max_queries=80), 1000, wanted)
    sizes = plan.sizes(planned)
    assert sizes[: len(planned)] == planned and sum(sizes) == 80 and min(sizes) > 0
    assert make_plan(SearchSettings(max_queries=47), 1000, wanted).sizes(planned) == planned
