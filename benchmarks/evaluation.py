"""How long the whole evaluation of a test set of real size takes on one thread, and how much memory.

Run `python -m benchmarks.evaluation`; exit code 1 where a bound is not met. Each row runs in a process of its
own, so that its peak memory is its own; the test set is generated before the clock starts.
"""

import multiprocessing
import os
import resource
import sys
import time
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.generated import generate
from pipeline.evaluation.metrics import EvaluationOptions, evaluate

SCENES = 6_900
DETECTIONS = 33_000
MEMORY_BOUND_GIB = 2.0
TABLE_WIDTH = 100
KIB_A_GIB = 1 << 20
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Case(NamedTuple):
    """One row of the table."""

    name: str
    kind: str
    queries: int
    cbgm: bool
    bound_seconds: float


class Measured(NamedTuple):
    """What one row took."""

    seconds: float
    peak_gib: float
    mean_average_precision: float


CASES = (
    Case("PRW, all and cross-camera", "prw", 2_057, False, 20.0),
    Case("PRW with CBGM", "prw", 2_057, True, 60.0),
    Case("CUHK-SYSU, 7 galleries", "cuhk_sysu", 2_900, False, 90.0),
    Case("CUHK-SYSU with CBGM", "cuhk_sysu", 2_900, True, 180.0),
)


def measure(case: Case) -> Measured:
    """Generate a test set and time its evaluation, detection metrics included."""
    drawn = generate(case.kind, SCENES, DETECTIONS, case.queries)
    begin = time.perf_counter()
    metrics = evaluate(drawn.split, drawn.detections, EvaluationOptions(cbgm=case.cbgm), case.kind)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_A_GIB
    return Measured(seconds, peak, metrics["search"]["mAP"])


def main() -> int:
    """Measure every case and print the table; return 1 where a bound is not met."""
    table = Table(title=f"{SCENES} scenes, {DETECTIONS} detections, 256-d, one thread")
    table.add_column("test set", no_wrap=True)
    for column in ("queries", "seconds", "bound", "ms a query", "peak GiB", "mAP"):
        table.add_column(column, justify="right")
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))  # a spawned process reads them with numpy
    met = True
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for case in CASES:
            got = pool.apply(measure, (case,))
            met = met and got.seconds <= case.bound_seconds and got.peak_gib <= MEMORY_BOUND_GIB
            table.add_row(
                case.name,
                str(case.queries),
                f"{got.seconds:.1f}",
                f"{case.bound_seconds:.0f}",
                f"{1000 * got.seconds / case.queries:.1f}",
                f"{got.peak_gib:.2f}",
                f"{100 * got.mean_average_precision:.2f}",
            )
    Console(width=TABLE_WIDTH).print(table)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
