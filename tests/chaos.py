"""Kill trainings of the real pipeline at random moments, and see that each ends as if it had not been.

    make chaos          all training stages, three ways to die, three times each: 54 kills, some 15 minutes

It works on a copy of the project with a tiny data set. After each kill no process of the training may be
left, no output may be there that is not whole, and dvc.lock must be as it was. At the end, the outputs
and dvc.lock must be byte for byte those of a run that nothing befell.
"""

import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import click
import yaml

from tests.pipeline_runs.project import Project, new_project

STEPS = 150
OFTEN = {"PERSON_SEARCH_CHECKPOINT_STEPS": "3", "PERSON_SEARCH_WORKERS": "1"}
"""With a process that loads data, so that there is one more that could live on."""
LONG_ENOUGH = 60.0
"""Seconds until whatever runs has ended."""
IN_TRAINING = 0.7
"""Of the kills come after a new checkpoint; the others at any moment, while Python imports as well."""
EARLIEST = 0.5
"""Of the time that a run takes, what is over by its first checkpoint, about."""
GOING_ON = "going on after step"


@dataclass
class Tally:
    """What was seen of one stage and one way to die."""

    kills: int = 0
    resumed: int = 0
    torn: int = 0
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Reference:
    """A project in which everything ran once, and what a training stage of it wrote and took."""

    project: Project
    outputs: dict[str, bytes]
    seconds: float

    def faults(self, project: Project, *, at_the_end: bool = False) -> list[str]:
        """Say which outputs of a killed stage are there and not whole, or of a finished one are not right."""
        found = []
        for path, content in self.outputs.items():
            file = project.root / path
            if not file.exists():
                found += [f"{path} is missing"] if at_the_end else []
            elif file.read_bytes() != content:
                found.append(f"{path} is not that of an undisturbed run")
        if at_the_end and [path for path in (project.root / "checkpoints").rglob("*") if path.is_file()]:
            found.append("checkpoints are left")
        return found


def kill_trainer(project: Project, dvc: int) -> None:
    """As the system does when memory runs out."""
    for process in project.trainers():
        os.kill(process, signal.SIGKILL)


def kill_dvc(project: Project, dvc: int) -> None:
    """As an impatient user does."""
    os.kill(dvc, signal.SIGKILL)


def interrupt(project: Project, dvc: int) -> None:
    """Ctrl-C reaches everything that was started from a terminal."""
    os.killpg(dvc, signal.SIGINT)


WAYS: dict[str, Callable[[Project, int], None]] = {
    "kill -9 of the trainer": kill_trainer,
    "kill -9 of dvc": kill_dvc,
    "Ctrl-C": interrupt,
}


def killed_again_and_again(
    reference: Reference, stage: str, way: str, kills: int, chance: random.Random, folder: Path
) -> Tally:
    """Kill a stage some times, let it end at last, and compare."""
    project, tally = reference.project.copy(folder), Tally()
    lock = project.lock()
    while tally.kills < kills:
        dvc = project.start("dvc", "repro", "--force", "--single-item", stage, **OFTEN)
        wait_for_the_moment(project, dvc, reference.seconds, chance)
        if dvc.poll() is None:
            WAYS[way](project, dvc.pid)
        said, _ = dvc.communicate(timeout=LONG_ENOUGH)
        if dvc.returncode == 0:
            continue  # it was done before it was hit, and starts from nothing again
        tally.kills += 1
        tally.resumed += GOING_ON in said
        if "Traceback" in said and WAYS[way] is not kill_trainer:
            tally.faults.append(f"a traceback:\n{said}")
        if not gone(project):
            tally.faults.append("a trainer lives on")
        tally.faults += reference.faults(project)
        if project.lock() != lock:
            # DVC writes it in place: half of it may be there. docs/trust.md says what to do.
            tally.torn += 1
            if not lock.startswith(project.lock()):
                tally.faults.append("dvc.lock changed")
            project.run("git", "checkout", "dvc.lock")
    said = project.run("dvc", "repro", "--force", "--single-item", stage)
    tally.resumed += GOING_ON in said
    tally.faults += reference.faults(project, at_the_end=True)
    if project.lock() != lock:
        tally.faults.append("dvc.lock is not that of an undisturbed run")
    return tally


def wait_for_the_moment(
    project: Project, dvc: "subprocess.Popen[str]", seconds: float, chance: random.Random
) -> None:
    """Wait until some moment after a new checkpoint, or until any moment of the run."""
    if chance.random() < IN_TRAINING:
        wait_for_a_checkpoint(project, dvc)
        time.sleep(chance.uniform(0, 1 - EARLIEST) * seconds)
    else:
        time.sleep(chance.uniform(0, 1) * seconds)


def wait_for_a_checkpoint(project: Project, dvc: "subprocess.Popen[str]") -> None:
    """Wait until a training wrote a checkpoint that was not there, or ended."""
    before = set((project.root / "checkpoints").rglob("step-*"))
    while dvc.poll() is None and set((project.root / "checkpoints").rglob("step-*")) <= before:
        time.sleep(0.02)


def gone(project: Project) -> bool:
    """Wait for all trainers to end; tell whether they did."""
    end = time.monotonic() + LONG_ENOUGH
    while project.trainers():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def undisturbed(folder: Path, home: Path) -> Project:
    """Run a tiny project whose trainings are long enough to be killed."""
    home.mkdir()
    project = new_project(folder, home)
    values = project.parameters()
    for section in ("train_detector", "train_reid", "train_student"):
        values[section]["training"]["steps"] = STEPS
    (project.root / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    project.commit()
    project.repro()
    project.commit()
    return project


def reference_of(project: Project, stage: str) -> Reference:
    """Return a stage's outputs in a finished project, and how long it takes."""
    locked = yaml.safe_load(project.lock())["stages"][stage]
    outputs = {out["path"]: (project.root / out["path"]).read_bytes() for out in locked["outs"]}
    started = time.monotonic()
    project.run("dvc", "repro", "--force", "--single-item", stage)
    return Reference(project, outputs, time.monotonic() - started)


@click.command()
@click.option("--kills", default=3, show_default=True, help="Of each stage, each way.")
@click.option("--seed", default=0, show_default=True, help="Of the moments.")
def main(kills: int, seed: int) -> None:
    """Kill every training stage in every way, at random moments."""
    chance, tallies = random.Random(seed), []
    with tempfile.TemporaryDirectory(prefix="chaos-") as name:
        folder = Path(name)
        click.echo("running everything once ...", err=True)
        project = undisturbed(folder / "reference", folder / "home")
        stages = [stage for stage in yaml.safe_load(project.lock())["stages"] if stage.startswith("train_")]
        for stage in stages:
            reference = reference_of(project, stage)
            for way in WAYS:
                place = folder / f"{len(tallies)}"
                tally = killed_again_and_again(reference, stage, way, kills, chance, place)
                tallies.append(tally)
                verdict = "; ".join(tally.faults) or "ends as undisturbed"
                click.echo(f"{stage}, {way}: {tally.kills} kills, gone on {tally.resumed} times: {verdict}")
    kills, resumed, torn, faults = (
        sum(column)
        for column in zip(
            *((tally.kills, tally.resumed, tally.torn, len(tally.faults)) for tally in tallies), strict=True
        )
    )
    click.echo(
        f"{kills} kills, gone on {resumed} times, dvc.lock torn {torn} times (and restored from git), "
        f"{faults} faults"
    )
    if faults:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
