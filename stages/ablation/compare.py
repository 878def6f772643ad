"""Stage `compare`: set the ablation's students side by side."""

from pathlib import Path

from pipeline.basics.atomic import write_atomically
from pipeline.basics.json_files import write_json
from pipeline.reporting.comparison.cost import Cost, network_cost
from pipeline.reporting.comparison.figure import comparison_figure
from pipeline.reporting.comparison.groups import compare, read_comparisons
from pipeline.reporting.comparison.origin import file_commit
from pipeline.reporting.comparison.paired_figure import paired_figure
from pipeline.reporting.comparison.run_file import FURTHER
from pipeline.reporting.comparison.runs import read_runs
from pipeline.reporting.comparison.text import comparison_text
from pipeline.reporting.comparison.trade_off import trade_off_figure
from pipeline.training.student.options import StudentOptions, with_dim_of_table
from stages.support.parameters import PARAMETERS, Parameters
from stages.support.paths import RESULTS
from stages.support.running import say, stage

COMPARISONS = Path("comparisons.yaml")
COMPARISON = Path("results/comparison.json")
FIGURE = Path("results/comparison.png")
PAIRED = Path("results/paired.png")
TRADE_OFF = Path("results/trade_off.png")
TABLES = Path("results/comparison.md")


@stage
def main() -> None:
    """Compare students over seeds and queries."""
    comparison = compare(
        read_comparisons(COMPARISONS),
        lambda name: read_runs(_file_of(name), _file_of(name, RESULTS / FURTHER)),
        _cost_of,
        lambda name: file_commit(_file_of(name)),
    )
    write_json(COMPARISON, comparison, indent=1)
    write_atomically(FIGURE, comparison_figure(comparison))
    drawn = [FIGURE]
    if comparison["pooled"]:
        write_atomically(PAIRED, paired_figure(comparison["pooled"]))
        drawn.append(PAIRED)
    if "trade_off" in comparison:
        write_atomically(TRADE_OFF, trade_off_figure(comparison["trade_off"]))
        drawn.append(TRADE_OFF)
    write_atomically(TABLES, comparison_text(comparison))
    say(f"{TABLES}: {len(comparison['groups'])} groups of students; {', '.join(map(str, drawn))}")


def _file_of(name: str, results: Path = RESULTS) -> Path:
    """Return where the runs of `folder/student` are."""
    folder, _, student = name.partition("/")
    return Path(folder) / results / f"{student}.json"


def _cost_of(name: str) -> Cost:
    """Return what the network of `folder/student` costs."""
    folder, _, student = name.partition("/")
    own = f"students.{student}"
    parameters = Parameters(("network", "train_student", own), Path(folder) / PARAMETERS)
    options = parameters.options("train_student", StudentOptions, own)
    return network_cost(with_dim_of_table(options, f"{parameters.path}: {own}", Path(folder)).network)


if __name__ == "__main__":
    main()
