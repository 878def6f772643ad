"""How much of the wall time of `person-search index` its network has.

Run as `python -m benchmarks.index_building`, in the project's root after `dvc repro`; exit code 1 where the
share is below its bound. The wall time is that of the whole process: PyTorch's import and the program's end
count. The pictures are scenes of the project's data set, enlarged to what cameras give, or those of
`--pictures`. How long the network takes for a picture depends on its size, so the share does, too.
"""

import os
import re
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click
from PIL import Image

from pipeline.basics.environment_variables import THREADS_VARIABLE
from pipeline.scenes.prepared import open_prepared
from stages.support.paths import PREPARED, student_weights

STUDENT = "kd_lut"
SPLITS = ("test", "train", "val")
QUALITY = 90
"""Of the JPEG files."""
SHARE = 0.85
"""The least share of the wall time, with 1,000 pictures on two cores."""
NETWORK = re.compile(r"the network took (\d+\.\d) s of it")
MADE = re.compile(r"people in ([\d,]+) frames")
"""What `index` says on standard error, and on standard output."""


class Run(NamedTuple):
    """What one run of `index` took, in seconds, and how many pictures it searched."""

    wall: float
    network: float
    pictures: int

    @property
    def share(self) -> float:
        """The network's part of the wall time, 0..1."""
        return self.network / self.wall


@click.command()
@click.option(
    "--pictures", "folder", type=click.Path(path_type=Path), help="Pictures to index, in place of scenes."
)
@click.option("--weights", type=click.Path(path_type=Path), help=f"By default those of `{STUDENT}`.")
@click.option("--count", default=1000, show_default=True, help="How many scenes.")
@click.option("--width", default=1280, show_default=True, help="Of an enlarged scene, in pixels.")
@click.option("--threads", default=2, show_default=True, help="Threads of the network, and cores in all.")
@click.option("--rounds", default=3, show_default=True, help="Runs; the one with the least wall time counts.")
def main(
    folder: Path | None, weights: Path | None, count: int, width: int, threads: int, rounds: int
) -> None:
    """Index pictures and print the network's share of the time."""
    os.environ[THREADS_VARIABLE] = str(threads)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    with TemporaryDirectory() as temporary:
        if folder is None:
            folder = Path(temporary) / "scenes"
            enlarge_scenes(folder, count, width)
        runs = []
        for number in range(rounds):
            runs.append(run(folder, weights or student_weights(STUDENT), Path(temporary) / f"index {number}"))
            click.echo(said(runs[-1]))
    best = min(runs, key=lambda one: one.wall)
    click.echo(f"best of {rounds}: {said(best)} (at least {SHARE:.0%})")
    if best.share < SHARE:
        raise click.ClickException("the network has too small a share of the time")


def enlarge_scenes(folder: Path, count: int, width: int) -> None:
    """Write scenes of the prepared data set as JPEG files of a width in pixels.

    Raises:
        ClickException: the data set has fewer scenes.
    """
    folder.mkdir()
    data, made = open_prepared(PREPARED), 0
    for split in SPLITS:
        images = data.images(split)
        for number in range(min(len(data.split(split).scenes), count - made)):
            with Image.open(BytesIO(images[number].tobytes())) as scene:
                large = scene.resize((width, round(scene.height * width / scene.width)))
            large.save(folder / f"{made:06d}.jpg", quality=QUALITY)
            made += 1
    if made < count:
        raise click.ClickException(f"the data set has {made:,} scenes, not {count:,}")


def run(folder: Path, weights: Path, out: Path) -> Run:
    """Index a folder of pictures in a process of its own.

    Raises:
        ClickException: `index` fails.
    """
    command = [sys.executable, "-m", "commands.main", "index", str(folder), "--out", str(out)]
    begin = time.perf_counter()
    done = subprocess.run([*command, "--weights", str(weights)], capture_output=True, text=True, check=False)
    wall = time.perf_counter() - begin
    network, made = NETWORK.search(done.stderr), MADE.search(done.stdout)
    if done.returncode or network is None or made is None:
        raise click.ClickException(f"index ended with exit code {done.returncode}: {done.stderr[-500:]}")
    return Run(wall, float(network[1]), int(made[1].replace(",", "")))


def said(one: Run) -> str:
    """Return a line about a run."""
    each = f"{1000 * one.network / one.pictures:.1f} ms a picture"
    whole = f"{one.pictures:,} pictures in {one.wall:.1f} s"
    return f"{whole}, the network took {one.network:.1f} s ({each}): {one.share:.1%}"


if __name__ == "__main__":
    main()
