"""Command line of the campaign. It exits with 1 after the first finding, and keeps the folder of that trial."""

import random
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from campaign.processes import Processes, built_shim
from campaign.scenarios import Facts, scenarios
from campaign.trial import Finding, Trial, timed
from seminas.spaces.nasbench101 import NASBench101
from seminas.tables.table import save_table
from support import made_up_table


class Campaign:
    """Trials in one folder."""

    def __init__(self, folder: Path, seed: int, only: str) -> None:
        """Compile the faults and write a table."""
        self._folder, self._rng = folder, random.Random(seed)
        self._shim = built_shim(folder)
        table = folder / "table.npz"
        save_table(made_up_table(NASBench101(), 2_000), table)
        every = scenarios(table, self._rng)
        self._scenarios = [s for s in every if s.name.startswith(only)]
        self._references: dict[str, tuple[Facts, float]] = {}
        self.num_trials = self.num_kills = 0

    def trial(self) -> str:
        """Make one trial, and return its description.

        Raises:
            Finding: It found something. The folder of the trial stays.
        """
        self.num_trials += 1
        scenario = self._rng.choices(self._scenarios, [s.weight for s in self._scenarios])[0]
        if scenario.name not in self._references:
            processes = self._processes(f"reference-{scenario.name}")
            self._references[scenario.name] = timed(scenario, processes)
        name = f"trial-{self.num_trials}"
        processes = self._processes(name)
        reference, seconds = self._references[scenario.name]
        ledgers = self._folder / "ledgers" / name
        rng = random.Random(self._rng.random())
        trial = Trial(scenario, reference, seconds, processes, self._shim, rng, ledgers)
        try:
            trial.run()
        except Finding as finding:
            raise Finding(
                f"{processes.folder}: {scenario.name}: {'; '.join(trial.events)}: {finding}"
            ) from None
        finally:
            self.num_kills += trial.kills
            processes.kill()
        shutil.rmtree(processes.folder)
        return f"{scenario.name}: {'; '.join(trial.events)}"

    def _processes(self, name: str) -> Processes:
        folder, ledgers = self._folder / name, self._folder / "ledgers" / name
        for old in (folder, ledgers):
            shutil.rmtree(old, ignore_errors=True)
        ledgers.mkdir(parents=True)
        (folder / "evaluator").mkdir(parents=True)
        (folder / "evaluator" / "slow.yaml").write_text("_target_: campaign.users.Slow\n")
        return Processes(folder, ledgers)


def main(
    kills: Annotated[int, typer.Option(min=1, help="End after this number of kills and faults.")] = 100,
    minutes: Annotated[float, typer.Option(help="Go on for at least this number of minutes.")] = 0.0,
    seed: Annotated[int | None, typer.Option(help="Seed of the disturbances. Printed if not given.")] = None,
    only: Annotated[str, typer.Option(help="Only scenarios whose names begin with this.")] = "",
    folder: Annotated[
        Path | None, typer.Option(help="Folder of the trials. The default is a new one.")
    ] = None,
) -> None:
    """Kill and disturb the project's commands at random, let them go on, and compare with undisturbed runs."""
    seed = secrets.randbelow(10**6) if seed is None else seed
    folder = Path(tempfile.mkdtemp(prefix="campaign-")) if folder is None else folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    print(f"seed {seed}, folder {folder}", flush=True)
    start = time.monotonic()
    campaign = Campaign(folder, seed, only)
    findings = 0
    while campaign.num_kills < kills or time.monotonic() - start < 60 * minutes:
        try:
            line = campaign.trial()
        except Finding as finding:
            findings += 1
            line = f"FINDING {finding}"
        spent = (time.monotonic() - start) / 60
        print(
            f"{spent:6.1f} min, {campaign.num_kills} kills, trial {campaign.num_trials}, {line}", flush=True
        )
    print(
        f"seed {seed}: {campaign.num_kills} kills and faults in {campaign.num_trials} trials, {findings} findings"
    )
    if findings:
        sys.exit(1)
    shutil.rmtree(folder)


if __name__ == "__main__":
    typer.run(main)
