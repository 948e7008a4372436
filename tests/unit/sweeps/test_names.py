"""Test the names and the number of jobs."""

import pytest
from omegaconf import OmegaConf

from seminas.config.names import LONGEST_NAME, num_jobs, pinned, pinned_name, run_name


@pytest.mark.parametrize(
    ("params", "task", "number"),
    [
        ({"seed": "range(0,5)", "strategy": "nao,random"}, ["space=nasbench101"], 10),
        ({"seed": "range(0,5)"}, ["seed=1,2", "search.num_labeled=10,20"], 4),
        ({}, ["seed=3"], 1),
    ],
)
def test_jobs_are_counted_as_hydra_makes_them(params: dict[str, str], task: list[str], number: int) -> None:
    config = {"hydra": {"sweeper": {"params": params}, "overrides": {"task": task}}}
    assert num_jobs(OmegaConf.create(config)) == number


def test_a_study_has_as_many_jobs_as_trials() -> None:
    config = {"hydra": {"sweeper": {"params": {"seed": "range(0,5)"}, "n_trials": 7}}}
    assert num_jobs(OmegaConf.create(config)) == 7


def test_a_name_is_a_file_name_and_tells_jobs_apart() -> None:
    assert run_name("seed=1,evaluator.path=/a b/c") == "seed=1,evaluator.path=-a-b-c"
    assert run_name("") == "run"
    many = ",".join(f"controller.encoder.key{i}={i}" for i in range(30))
    names = [run_name(f"{many},search.num_labeled={n}") for n in (1, 2)]
    assert all(len(name) <= LONGEST_NAME for name in names)
    assert [name[: len("search.num_labeled=1")] for name in names] == [
        "search.num_labeled=1",
        "search.num_labeled=2",
    ]
    # The part that is cut off still changes the name.
    assert run_name(f"{many},search.num_labeled=1,x.y=1") != run_name(f"{many},search.num_labeled=1,x.y=2")


@pytest.mark.parametrize(
    "name", ["seed=1,strategy=random", "a/b", "it's", "a\\b", "\\'a\\\\", "a b, (c)", "7"]
)
def test_the_folder_that_is_pinned_is_read_back(name: str) -> None:
    job = pinned(["seed=1", "hydra.sweep.subdir=other"], name)
    assert job[:2] == ["seed=1", "hydra.sweep.subdir=other"] and pinned_name(job) == name


def test_an_interpolation_of_a_jobs_own_does_not_keep_jobs_from_being_counted() -> None:
    hydra = {
        "job": {"num": "???"},
        "sweeper": {"params": {"seed": "0,1", "search.num_new": "${hydra.job.num}"}},
        "overrides": {"task": ["predictor.num_labeled=10,20", "search.num_labeled=${hydra.job.num}"]},
    }
    assert num_jobs(OmegaConf.create({"hydra": hydra})) == 4
