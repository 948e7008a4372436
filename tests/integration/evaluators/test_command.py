"""Test evaluator=command: what a command receives, what it reports, how it ends, and wrong settings."""

import json
import os
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seminas.commands import search
from seminas.config.own_training import CommandEvaluatorSettings
from seminas.errors import UserError
from seminas.evaluators.command import CommandEvaluator
from seminas.evaluators.evaluation import Evaluation, checked
from seminas.runs.archive import Archive
from seminas.runs.folder import RunFolder
from seminas.runs.metric import Metric
from seminas.runs.records import read_history
from seminas.spaces.nasbench201 import NASBench201
from seminas.spaces.sequence import SequenceSpace
from support import background, wait_for

SPACE = SequenceSpace(
    "chain", {"kernel": [3, 5], "name": ["a b", "$HOME; touch x", "{seed}"], "wide": [True, False]}
)
PYTHON = shlex.quote(sys.executable)
PRINTS_ARGUMENTS = (
    "import json, sys; print('hello'); print(json.dumps({'acc': 0.5, 'argv': sys.argv[1:]})); print(1)"
)


def python(program: str, arguments: str = "") -> str:
    """Return the command line of a Python program."""
    return f"{PYTHON} -c {shlex.quote(program.replace('{', '{{').replace('}', '}}'))} {arguments}"


def evaluator(
    command: str, space: Any = SPACE, folder: Path | None = None, **settings: Any
) -> CommandEvaluator[Any]:
    base = {"metric": "acc", "mode": "max", "num_workers": 1, "accelerator": "cpu"}
    return CommandEvaluator(space, 7, CommandEvaluatorSettings(command=command, **(base | settings)), folder)


def evaluated(command: str, folder: Path | None = None, **settings: Any) -> Evaluation:
    """Return the checked evaluation of one architecture in this process."""
    chosen = evaluator(command, folder=folder, **settings)
    return checked(trial_of(chosen).evaluate((1, 1, 0)), chosen.metric, chosen.metrics)


def trial_of(chosen: CommandEvaluator[Any]) -> Any:
    return chosen._trial


def test_a_command_receives_the_values_each_in_one_argument(tmp_path: Path) -> None:
    arguments = "--kernel={kernel} {name} {wide} '{architecture}' {folder} {seed} '{{x}}'"
    evaluation = evaluated(python(PRINTS_ARGUMENTS, arguments), tmp_path)
    (folder,) = (tmp_path / "evaluations").iterdir()
    reported = json.loads((folder / "stdout.log").read_text().splitlines()[1])
    kernel, name, wide, architecture, given, seed, braces = reported["argv"]
    assert (kernel, name, wide, seed, braces) == ("--kernel=5", "$HOME; touch x", "true", "7", "{x}")
    assert json.loads(architecture) == SPACE.to_json((1, 1, 0)) and given == str(folder)
    assert evaluation.value == 0.5 and evaluation.error is None and evaluation.cost_s > 0


def test_a_value_that_looks_like_a_placeholder_stays_a_value() -> None:
    program = "import json, sys; print(json.dumps({'acc': len(sys.argv[1])}))"
    chosen = evaluator(python(program, "{name}"))
    assert trial_of(chosen).evaluate((0, 2, 0)).value == len("{seed}")


def test_a_loss_and_further_metrics_from_a_file(tmp_path: Path) -> None:
    program = (
        "import json, sys; from pathlib import Path; "
        "Path(sys.argv[1], 'metrics.json').write_text(json.dumps({'val/loss': 3.5, 'acc': 1, 'other': 'x'})); "
        "print(json.dumps({'val/loss': 1}))"
    )
    settings = {"metric": "val/loss", "mode": "min", "metrics": {"acc": "max", "missing": "max"}}
    evaluation = evaluated(python(program, "{folder}"), tmp_path, **settings)
    assert evaluation.value == 3.5 and evaluation.metrics == {"acc": 1.0}
    assert evaluator(python(program), **settings).metric == Metric("val_loss", "minimize")
    # The file of an earlier attempt does not count.
    assert evaluated(python("print(1)"), tmp_path, **settings).error is not None


def test_a_space_that_is_no_chain_gives_its_json_form() -> None:
    space = NASBench201()
    program = "import sys; print('{\"acc\": %d}' % len(sys.argv[1]))"
    chosen = evaluator(
        f"{PYTHON} -c {shlex.quote(program.replace('{', '{{').replace('}', '}}'))} {{architecture}}", space
    )
    (architecture,) = space.at([77])  # type: ignore[arg-type]
    assert trial_of(chosen).evaluate(architecture).value == len(json.dumps(space.to_json(architecture)))


def test_an_argument_of_a_position_that_does_not_count_is_left_out() -> None:
    space = SequenceSpace(
        "c", {"optimizer": ["sgd", "adam"], "momentum": {"values": [0.5, 0.9], "when": {"optimizer": "sgd"}}}
    )
    command = python(PRINTS_ARGUMENTS, "--optimizer {optimizer} --momentum={momentum}")
    trial = trial_of(evaluator(command, space))
    adam, sgd = space.from_json({"optimizer": "adam"}), space.from_json({"optimizer": "sgd", "momentum": 0.9})
    assert trial.command(adam, Path())[3:] == ["--optimizer", "adam"]
    assert trial.command(sgd, Path())[3:] == ["--optimizer", "sgd", "--momentum=0.9"]
    with pytest.raises(UserError, match="write --momentum={momentum}, which is left out where"):
        evaluator(python(PRINTS_ARGUMENTS, "--momentum {momentum}"), space)


@pytest.mark.parametrize(
    ("program", "error"),
    [
        (
            "import sys; print('{\"acc\": 1}'); sys.exit('no\\nmemory')",
            "the command ended with status 1: memory",
        ),
        ("import os; os.kill(os.getpid(), 9)", "the command was ended by signal 9"),
        ("print('hello')", "the command printed no line with a JSON object and wrote no metrics.json"),
        ("print('[1, 2]')", "the command printed no line with a JSON object and wrote no metrics.json"),
        ('print(\'{"a": 1, "b": 2}\')', "evaluator.metric=acc: must be one of the reported metrics a, b"),
        ("print('{}')", "evaluator.metric=acc: must be a reported metric"),
        ("print('{\"acc\": NaN}')", "acc=nan: must be a finite number"),
        ("print('{\"acc\": 1e999}')", "acc=inf: must be a finite number"),
        ('print(\'{"acc": "0.9"}\')', "acc='0.9': must be a finite number"),
        ("print('{\"acc\": true}')", "acc=True: must be a finite number"),
        ("print('{\"acc\": null}')", "acc=None: must be a finite number"),
        ("print('{\"acc\": [1]}')", "acc=[1]: must be a finite number"),
    ],
)
def test_what_goes_wrong_is_a_failed_evaluation_in_one_line(program: str, error: str) -> None:
    evaluation = evaluated(python(program))
    assert (evaluation.value, evaluation.error) == (None, error)


def test_the_end_of_the_error_output_is_kept() -> None:
    evaluation = evaluated(python("def f(): raise ValueError('wrong')\nf()"))
    assert evaluation.error == "the command ended with status 1: ValueError: wrong"
    assert evaluation.traceback is not None and "in f" in evaluation.traceback


def test_a_value_that_is_no_fraction_is_refused_where_the_unit_is_fraction() -> None:
    evaluation = evaluated(python("print('{\"acc\": 93}')"), unit="fraction")
    assert evaluation.error == "acc=93: must be a number from 0 to 1"


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("", "evaluator.command=: must be a text that is not empty"),
        ("  ", "evaluator.command='  ': must be a command"),
        ("echo 'a", "evaluator.command=echo 'a: cannot be split into arguments (No closing quotation)"),
        (
            "no_such_program {kernel}",
            "evaluator.command=no_such_program {kernel}: there is no program no_such_program",
        ),
        ("{name} {kernel}", "evaluator.command={name} {kernel}: must be a program and its arguments"),
        (
            "echo {depth}",
            "evaluator.command: placeholder={depth}: must be one of kernel, name, wide, architecture",
        ),
        ("echo {}", "evaluator.command: placeholder={}: must be one of kernel"),
        ("echo {kernel:3}", "evaluator.command: {kernel} in {kernel:3}=3: must be left out, only a name"),
        ("echo {kernel!r}", "evaluator.command: {kernel} in {kernel!r}=r: must be left out, only a name"),
        ("echo {kernel.real}", "evaluator.command: placeholder={kernel.real}: must be one of"),
        ("echo {kernel", "evaluator.command: {kernel is no argument"),
        ("echo kernel}", "evaluator.command: kernel} is no argument"),
    ],
)
def test_a_command_that_cannot_work_is_refused_in_one_line(command: str, error: str) -> None:
    with pytest.raises(UserError) as raised:
        evaluator(command)
    assert str(raised.value).startswith(error) and "\n" not in str(raised.value)


def test_other_settings_that_cannot_work() -> None:
    with pytest.raises(UserError, match="evaluator.mode=largest: must be one of max, min"):
        evaluator("echo", mode="largest")
    with pytest.raises(UserError, match="space.positions.seed: needs another name"):
        evaluator("echo", SequenceSpace("s", {"seed": [1, 2]}))


SLEEPS = (
    "import os, subprocess, sys, time; from pathlib import Path; "
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
    "Path(sys.argv[1]).write_text(f'{os.getpid()} {child.pid}'); time.sleep(600)"
)
"""A program that starts another one, writes both process ids into a file, and sleeps."""


def ended(pids: list[int]) -> bool:
    return not any(is_running(pid) for pid in pids)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_time_limit_ends_the_whole_process_group(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    chosen = evaluator(python(SLEEPS, shlex.quote(str(file))), timeout_s=1.0)
    try:
        ((_, evaluation),) = chosen.evaluate([(0, 0, 0)])
    finally:
        chosen.close()
    assert evaluation.error == "it took longer than evaluator.timeout_s=1"
    pids = [int(pid) for pid in file.read_text().split()]
    wait_for(lambda: ended(pids), seconds=10)


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
def test_the_command_ends_with_the_search(tmp_path: Path, number: int) -> None:
    file = tmp_path / "pids"
    command = python(SLEEPS, shlex.quote(str(file))).replace("\\", "\\\\").replace("'", "\\'")
    running = background(
        "seminas-search",
        *("space=sequence", "space.positions={a: [1, 2]}", "strategy=random", "search.max_queries=2"),
        *(
            "evaluator=command",
            f"evaluator.command='{command}'",
            "evaluator.metric=acc",
            "evaluator.mode=max",
        ),
        *("evaluator.num_workers=1", f"hydra.run.dir={tmp_path / 'run'}"),
        cwd=tmp_path,
    )
    try:
        wait_for(lambda: file.exists() and len(file.read_text().split()) == 2, running)
        pids = [int(pid) for pid in file.read_text().split()]
        assert not ended(pids)
        os.kill(running.pid, number)
        running.wait(timeout=30)
        wait_for(lambda: ended(pids), seconds=15)
    finally:
        running.kill()


def test_what_a_command_leaves_behind_ends_with_it() -> None:
    program = "import subprocess, sys; child = subprocess.Popen(['sleep', '600']); print('{\"acc\": %d}' % child.pid)"
    evaluation = evaluated(python(program))
    assert evaluation.value is not None
    wait_for(lambda: ended([int(evaluation.value or 0)]), seconds=5)


def test_a_search_goes_on_after_a_kill_and_pays_nothing_twice(
    configure: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    program = tmp_path / "train.py"
    program.write_text(
        "import json, sys\n"
        "from pathlib import Path\n"
        "with Path(sys.argv[1]).open('a') as file:\n"
        "    file.write(sys.argv[2] + '\\n')\n"
        "print(json.dumps({'loss': 10.0 / int(sys.argv[2])}))\n"
    )
    config = configure(
        "search",
        *("space=sequence", "space.positions={depth: [1, 2, 3, 4, 5]}", "strategy=random"),
        f"evaluator.command='{PYTHON} {program} {log} {{depth}}'",
        *("evaluator=command", "evaluator.metric=loss", "evaluator.mode=min", "evaluator.num_workers=1"),
        *("search.max_queries=5", "search.num_labeled=5"),
    )
    add = Archive.add

    def killed(archive: Archive, record: Any) -> Any:
        gained = add(archive, record)
        if len(archive) == 2:
            raise KeyboardInterrupt
        return gained

    with monkeypatch.context() as patch:
        patch.setattr(Archive, "add", killed)
        with pytest.raises(KeyboardInterrupt):
            search.run(config, RunFolder(tmp_path / "run"), True)
    before = log.read_text().splitlines()
    assert search.run(config, RunFolder(tmp_path / "run"), True) == 2.0
    records = read_history(tmp_path / "run")
    after = log.read_text().splitlines()
    assert len(records) == 5 and sorted(set(after)) == ["1", "2", "3", "4", "5"]
    # Only a command that had not ended runs again.
    assert len(after) <= 6 and after[:2] == before[:2] and not set(before[:2]) & set(after[2:])
