"""What a pair of a query and a gallery scene costs, beside running both branches anew for every pair.

Run as `python -m benchmarks.pairs` after `dvc repro`. The network is the first student of params.yaml with
QEEPS' modules, which are untrained. Running anew is given pictures in memory; the pipeline's own search over
pairs loads them. Both take turns, some query scenes at a time, and must find the same. In a whole run a
gallery scene's first stage serves more pairs than here.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

import click
import numpy as np
import torch
from torch import Tensor, nn

from pipeline.devices import make_fabric
from pipeline.inference.pairs import FoundPairs, Wanted, joined, search_pairs, wanted_pairs
from pipeline.inference.students import picture
from pipeline.models.heads import build_student, load_student
from pipeline.models.qeeps import PairResult, Qeeps
from pipeline.scenes.prepared import open_prepared
from pipeline.scenes.scene import Split
from pipeline.scenes.shards import ImageShards
from stages.support.parameters import PARAMETERS, read_parameters
from stages.support.paths import PREPARED, student_weights

ALLOWED_SPEEDUP = 1.5
"""Least of the time of running both branches anew to that of the search over pairs."""
TOLERANCE = 1e-5
"""How far scores and similarities may differ."""
BATCH = 16
Result = TypeVar("Result")


@click.command()
@click.option("--scenes", default=8, show_default=True, help="Query scenes a round.")
@click.option("--rounds", default=3, show_default=True, help="Rounds, each over other query scenes.")
@click.option("--threads", default=2, show_default=True, help="Threads of the network.")
def main(scenes: int, rounds: int, threads: int) -> None:
    """Time both ways; exit code 1 if the search over pairs is too slow or finds something else."""
    device = make_fabric().device
    torch.set_num_threads(threads)
    data = open_prepared(PREPARED)
    split, images = data.split("test"), data.images("test")
    network = guided_student().to(device)
    wanted = wanted_pairs(split, None)
    query_scenes = list(dict.fromkeys(query.scene for query in split.queries))
    ratios, anew_ms, pair_ms = [], [], []
    for number in range(rounds):
        chosen = query_scenes[number * scenes : (number + 1) * scenes]
        own = wanted & np.array([query.scene in chosen for query in split.queries])[:, None]
        pictures = pictures_of(split, images, own, device)
        anew, slow = timed(partial(run_anew, network, split, pictures, own))
        found, fast = timed(partial(together, network, split, images, own))
        check_same(found, anew)
        ratios.append(slow / fast)
        anew_ms.append(1000 * slow / own.sum())
        pair_ms.append(1000 * fast / own.sum())
    ratio = statistics.median(ratios)
    click.echo(
        f"a pair: {statistics.median(pair_ms):.1f} ms, "
        f"both branches anew: {statistics.median(anew_ms):.1f} ms, "
        f"{ratio:.2f} times faster (medians of {rounds} rounds of {scenes} query scenes, "
        f"at least {ALLOWED_SPEEDUP})"
    )
    if ratio < ALLOWED_SPEEDUP:
        raise click.ClickException(f"searching pairs is only {ratio:.2f} times faster")


def guided_student() -> Qeeps:
    """Return the first student of params.yaml with QEEPS' modules."""
    plain = load_student(student_weights(next(iter(read_parameters(PARAMETERS)["students"]))))
    torch.manual_seed(0)
    network = build_student(plain.options.model_copy(update={"head": "qeeps"})).eval()
    assert isinstance(network, Qeeps)
    network.load_state_dict(plain.state_dict(), strict=False)
    for excitation in network.excitations:  # at first they have no effect
        nn.init.normal_(excitation.excitation.excite.weight, std=0.1)
    return network


def timed(run: Callable[[], Result]) -> tuple[Result, float]:
    """Return what a run gives, and its seconds."""
    start = time.perf_counter()
    result = run()
    return result, time.perf_counter() - start


def together(network: Qeeps, split: Split, images: ImageShards, wanted: Wanted) -> FoundPairs:
    """Search pairs as the pipeline does."""
    device = next(network.parameters()).device
    found = search_pairs(
        network, split, images, wanted, batch_size=BATCH, device=device, progress=lambda _done, _total: None
    )
    return joined(list(found.values()))


def pictures_of(split: Split, images: ImageShards, wanted: Wanted, device: torch.device) -> dict[int, Tensor]:
    """Return the pictures of all scenes in pairs, by scene."""
    queries = {split.queries[index].scene for index in np.flatnonzero(wanted.any(axis=1))}
    scenes = queries | set(np.flatnonzero(wanted.any(axis=0)).tolist())
    return {scene: picture(images, scene, device) for scene in scenes}


def run_anew(
    network: Qeeps, split: Split, pictures: Mapping[int, Tensor], wanted: Wanted
) -> list[PairResult]:
    """Run both branches anew for every pair, one at a time: by query, then by scene."""
    results = []
    for query, scene in np.argwhere(wanted).tolist():
        own = split.queries[query]
        box = torch.from_numpy(own.box[None]).float().to(pictures[scene].device)
        start, gallery = network.start(pictures[own.scene]), network.start(pictures[scene])
        results.append(network.search_pairs(start, box, [gallery], np.ones((1, 1), bool))[0, 0])
    return results


def check_same(found: FoundPairs, anew: list[PairResult]) -> None:
    """Check that both ways find the same.

    Raises:
        ClickException: they do not.
    """
    scores = torch.cat([result.scores for result in anew]).cpu().numpy()
    similarities = torch.cat([result.similarities for result in anew]).cpu().numpy()
    counts = [len(result.scores) for result in anew]
    if found.counts.tolist() != counts:
        raise click.ClickException("the search over pairs finds other numbers of people")
    for name, one, other in (
        ("scores", found.detections[:, 4], scores),
        ("similarities", found.similarities, similarities),
    ):
        difference = float(np.abs(one - other).max(initial=0))
        if difference > TOLERANCE:
            raise click.ClickException(f"{name} differ by {difference:.1e}, allowed {TOLERANCE:.0e}")


if __name__ == "__main__":
    main()
