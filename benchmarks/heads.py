"""What a scene costs each kind of network in time, with equal parts.

Run as `python -m benchmarks.heads`. The networks are those of `HEADS`, untrained, with the settings of the
first student of params.yaml, and an OIM network that embeds at proposals. A scene has the full size, and all
proposals and detections that the settings allow, so that no network has less to do because it finds less. A
QEEPS looks at the scene with itself as the query; `benchmarks.pairs` times its pairs. They take turns.
"""

import statistics
import time

import click
import torch

from pipeline.basics.options import merged, parse_options
from pipeline.devices import make_fabric
from pipeline.models.heads import HEADS, build_student
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.reporting.comparison.cost import full_scene
from pipeline.training.student.options import StudentOptions
from stages.support.parameters import PARAMETERS, read_parameters

WARM_UP = 5
PLAIN = "oim"
AT_PROPOSAL = "oim, at proposals"


@click.command()
@click.option(
    "--rounds", default=50, show_default=True, help="Counted rounds, in each of which all take a turn."
)
@click.option("--threads", default=1, show_default=True, help="Threads of the networks.")
def main(rounds: int, threads: int) -> None:
    """Time a full scene of each kind of network, beside an OIM network's."""
    device = make_fabric().device
    torch.set_num_threads(threads)
    runs = {name: full_scene(network.to(device)) for name, network in _networks().items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(WARM_UP + rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if number >= WARM_UP:
                times[name].append(1000 * (time.perf_counter() - start))
    for name, own in times.items():
        ratio = statistics.median(one / plain for one, plain in zip(own, times[PLAIN], strict=True))
        click.echo(
            f"{name}: {statistics.median(own):.1f} ms a scene, {ratio:.3f} of {PLAIN} (median of turns)"
        )


def _networks() -> dict[str, PersonSearchNetwork]:
    """Return the networks by what they are called here."""
    parameters = read_parameters(PARAMETERS)
    common = merged({"network": parameters["network"]}, parameters["train_student"])
    name, student = next(iter(parameters["students"].items()))
    options = parse_options(StudentOptions, merged(common, student), name).network
    torch.manual_seed(0)
    changes = {head: {"head": head} for head in HEADS} | {AT_PROPOSAL: {"embed_at": "proposal"}}
    return {
        called: build_student(options.model_copy(update=change)).eval() for called, change in changes.items()
    }


if __name__ == "__main__":
    main()
