"""What it costs to list and load pictures and videos beside a network.

Run as `python -m benchmarks.frames`. It draws photographs and a film in TMPDIR, and prints how long it takes
to list them, how many frames a second are loaded by so many processes, and what a loaded frame costs the
program itself: that time is taken from the network.
"""

import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
from PIL import Image

from person_search.sources.loading import LoadedFrame, load_frames
from person_search.sources.places import Item, listed

SIZE = (1920, 1080)
RATE = 25
WORKERS = (0, 1, 2, 4)
"""Numbers of processes; with 0 the program itself decodes."""
QUICK = Fraction(1, 10)


@click.command()
@click.option("--pictures", default=100, show_default=True, help="Photographs to load.")
@click.option("--others", default=10_000, show_default=True, help="Files to list that are no pictures.")
@click.option("--seconds", default=20, show_default=True, help="Length of the film.")
def main(pictures: int, others: int, seconds: int) -> None:
    """Print what listing and loading cost."""
    with TemporaryDirectory() as folder:
        photographs, film = Path(folder) / "photographs", Path(folder) / "film.mp4"
        _write_photographs(photographs, pictures, others)
        _write_film(film, seconds)
        with _timed(f"listing {pictures:,} pictures among {others:,} other files"):
            items = listed([photographs], click.echo).items
        _load("photographs", items, None)
        _load(f"film, a frame every {float(QUICK)} s", listed([film], click.echo).items, QUICK)


def _load(name: str, items: tuple[Item, ...], every: Fraction | None) -> None:
    for workers in WORKERS[: 1 + len(os.sched_getaffinity(0)).bit_length()]:
        with closing(load_frames(items, workers=workers, every=every)) as loaded:
            next(loaded)  # the processes have started
            wall, own = time.perf_counter(), time.process_time()
            number = sum(isinstance(result, LoadedFrame) for result in loaded)
            wall, own = time.perf_counter() - wall, time.process_time() - own
        click.echo(
            f"{name}, {workers} processes: {number / wall:.1f} frames a second, "
            f"{1000 * own / number:.2f} ms of the program's own time a frame"
        )


def _write_photographs(folder: Path, pictures: int, others: int) -> None:
    folder.mkdir()
    for number in range(pictures):
        Image.fromarray(_drawn(number)).save(folder / f"{number}.jpg", quality=90)
    for number in range(others):
        (folder / f"{number}.json").write_text("{}")


def _write_film(path: Path, seconds: int) -> None:
    import av  # noqa: PLC0415 (an extra)

    frames = [_drawn(number) for number in range(10)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number in range(RATE * seconds):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frames[number % len(frames)], "rgb24")))
        container.mux(stream.encode(None))


def _drawn(number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return a picture with some detail, which moves with the number."""
    noise = np.random.default_rng(0).integers(0, 255, (68, 120, 3), dtype=np.uint8)
    return np.roll(np.asarray(Image.fromarray(noise).resize(SIZE)), 8 * number, axis=1)


@contextmanager
def _timed(name: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    click.echo(f"{name}: {time.perf_counter() - begun:.2f} s")


if __name__ == "__main__":
    main()
