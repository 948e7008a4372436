"""Whatever is typed as an override, the command composes a checked config, or refuses it in one line."""

from hydra.errors import HydraException
from hypothesis import example, given, settings
from hypothesis import strategies as st
from omegaconf.errors import OmegaConfBaseException

from seminas.config.check import checked
from seminas.config.compose import compose
from seminas.config.messages import no_option, one_line
from seminas.errors import UserError

KEYS = [
    "seed",
    "strategy",
    "search.max_queries",
    "space",
    "evaluator.path",
    "controller.encoder",
    "x",
    "+x.y",
    "~seed",
    "hydra.run.dir",
    "++search",
    "data@other",
    "strategy.pool",
    "logger",
    "=",
    "search.",
    ".search",
]
VALUES = [
    "1",
    "[1",
    "{a:",
    "'x",
    '"',
    "${x}",
    "${oc.env:HOME}",
    "1e999",
    "null",
    "[csv,wandb]",
    "a,b",
    "range(1,3)",
    "glob(*)",
    "choice(1)",
    "\\",
    "$",
    "${",
    "${seed}",
    "!!python/object:os.system",
    "{_target_:os.system}",
]
OVERRIDES = st.builds(
    lambda key, sign, value: f"{key}{sign}{value}",
    st.sampled_from([*KEYS, "", "a b"]),
    st.sampled_from(["=", ""]),
    st.text(max_size=8) | st.sampled_from(VALUES),
)


@settings(max_examples=40, deadline=None)
@given(overrides=st.lists(OVERRIDES | st.text(max_size=12), min_size=1, max_size=2))
@example(overrides=["seed=${seed}"])
@example(overrides=["search=${search}"])
@example(overrides=["seed=\0"])
@example(overrides=["strategy=0"])
@example(overrides=["strategy={_target_: os.system}"])
def test_any_override(overrides: list[str]) -> None:
    try:
        checked(compose("search", overrides), "search")
    except (UserError, HydraException, OmegaConfBaseException) as error:
        line = one_line(error)
    except ValueError as error:  # Of Hydra, for a config group. The command line catches it too.
        line = one_line(no_option(error, overrides))
    else:
        return
    assert line and "\n" not in line
