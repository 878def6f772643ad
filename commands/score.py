"""`person-search score`: score the detections of any program by the field's protocols."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from commands.data_sets import given_data_set
from commands.detections import detections_in, naming_detections
from commands.places import GivenPath
from pipeline.basics.environment_variables import cpu_threads
from pipeline.basics.errors import UserError
from pipeline.basics.json_files import json_text
from pipeline.basics.options import parse_options
from pipeline.datasets.cuhk_sysu import DEFAULT_GALLERY, CuhkSysu
from pipeline.datasets.dataset import DataSet
from pipeline.datasets.sources import SOURCES
from pipeline.evaluation.detection_doubts import doubts
from pipeline.evaluation.metrics import EvaluationOptions, evaluate
from stages.support.running import ShownProgress


@click.command()
@click.option(
    "--dataset", type=click.Choice(list(SOURCES)), required=True, help="The data set, whose protocol is used."
)
@click.option(
    "--root", type=GivenPath(path_type=Path, readable=False), required=True, help="The data set's folder."
)
@click.option(
    "--detections",
    "dump",
    type=click.Path(path_type=Path, readable=False),
    required=True,
    help="A .npz or .h5 of detections.",
)
@click.option("--gallery-size", "sizes", multiple=True, help="50, 100, ... or full; all by default.")
@click.option("--cbgm", is_flag=True, help="Re-score by the people beside the query (SeqNet).")
@click.option("--cross-camera", is_flag=True, help="Leave out scenes of the query's own camera.")
@click.option(
    "--duplicates",
    type=click.Choice(["once", "original"]),
    default="once",
    show_default=True,
    help="Score an image that a gallery lists twice once (SeqNet) or twice (OIM).",
)
@click.option("--detection-threshold", type=float, default=0.5, show_default=True)
@click.option("--search-threshold", type=float, default=0.5, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print what metrics.json would hold.")
def score(
    dataset: str,
    root: Path,
    dump: Path,
    sizes: tuple[str, ...],
    as_json: bool,
    **protocol: str | float | bool,
) -> None:
    """Score detections of a person-search model, from this program or any other.

    Detections are an .npz of plain arrays or an .h5 with the same names (texts in UTF-8; it needs no
    attributes). G test images, in any order:

    \b
      gallery_names   [G]     file names as in the data set
      gallery_counts  [G]     how many detections each has; their sum is N
      gallery_dets    [N, 5]  x1 y1 x2 y2 in pixels of the stored image, and a score of 0 to 1
      gallery_feats   [N, D]  unit rows: their dot products are the similarities

    Q queries, in the order of the data set's own list:

    \b
      query_names     [Q]     the image that shows the person
      query_pids      [Q]     whole numbers, the same for the same person
      query_feats     [Q, D]  of the person's box

    For --cbgm also the people in the queries' images: query_counts [Q], query_dets [M, 5],
    query_ctx_feats [M, D].

    Boxes of a query-guided network depend on the query. With all of these, searches use the boxes of P pairs
    of a query and an image, and no features. Each pair stands once, in any order, also a pair without a box;
    a gallery is scored if all of its pairs are there:

    \b
      pair_queries       [P]     the query, 0 to Q - 1
      pair_scenes        [P]     the image, as a place in gallery_names, 0 to G - 1
      pair_counts        [P]     how many boxes each pair has; their sum is K
      pair_dets          [K, 5]  as gallery_dets, pair after pair
      pair_similarities  [K]     any real numbers, higher for the query's person
    """
    options = parse_options(EvaluationOptions, {**protocol, "gallery_sizes": sizes or None}, "score")
    detections = detections_in(dump)
    splits = _data_set(dataset, root, sizes).splits()
    if "test" not in splits:
        raise UserError(f"data set '{dataset}' at {root} has no test split, so nothing can be scored on it")
    split = splits["test"]
    for doubt in doubts(split, detections):
        click.echo(f"warning: {dump}: {doubt}", err=True)
    with naming_detections(dump), ShownProgress("searching", only_on_terminal=True) as shown:

        def report(what: str, done: int, total: int) -> None:
            shown.what = f"searching {what}"
            shown(done, total)

        metrics = evaluate(split, detections, options, dataset, report, threads=cpu_threads())
    missing = metrics["protocol"]["counts"]["scenes_without_entry"]
    if missing:
        click.echo(
            f"warning: {missing} test images are not in {dump}: counted as without a detection", err=True
        )
    if as_json:
        click.echo(json_text(metrics), nl=False)
    else:
        _print_tables(metrics)


def _data_set(name: str, root: Path, sizes: tuple[str, ...]) -> DataSet:
    """Return the data set. Of CUHK-SYSU only the wanted galleries are read: the largest take long."""
    if name != CuhkSysu.name or not sizes:
        return given_data_set(name, root)
    numbers = {size for size in sizes if size != "full"}
    wrong = sorted(size for size in numbers if not size.isdecimal())
    if wrong:
        raise UserError(f"--gallery-size {wrong[0]}: give a number (50, 100, ...) or full")
    return CuhkSysu(root, sorted(int(size) for size in numbers | {DEFAULT_GALLERY}))


def _print_tables(metrics: dict[str, Any]) -> None:
    protocol = metrics["protocol"]
    by_gallery = dict(metrics["search_by_gallery"])
    by_gallery.setdefault(protocol["gallery"], metrics["search"])
    if metrics["search_cross_camera"]:
        by_gallery["cross_camera"] = metrics["search_cross_camera"]
    default = protocol["gallery"]
    lines = {f"{name} *" if name == default else name: reached for name, reached in by_gallery.items()}
    if metrics["search_ground_truth_boxes"]:
        lines["ground-truth boxes *"] = metrics["search_ground_truth_boxes"]
    extra = " with CBGM" if protocol["cbgm"] else ""
    guided = "Query-guided search" if "query_guided" in protocol else "Search"
    title = f"{guided}{extra}, %, score >= {protocol['search_threshold']:g} (* default gallery)"
    console = Console()
    console.print(title)
    console.print(_table("gallery", lines))
    title = f"Detection, score >= {protocol['detection_threshold']:g} (COCO: all scores)"
    console.print(title)
    console.print(_table("", {name: {"%": value} for name, value in metrics["detection"].items()}))
    for name, number in protocol["counts"]["queries_without_match"].items():
        if number:
            console.print(f"{number} queries have no match in gallery {name}; they count as 0.")
    for name, number in protocol["counts"].get("pairs_missing", {}).items():
        console.print(f"Gallery {name} is not scored: {number} of its pairs are missing.")


def _table(first: str, lines: dict[str, dict[str, float]]) -> Table:
    """Return fractions as a table in percent."""
    table = Table()
    table.add_column(first, no_wrap=True)
    for column in next(iter(lines.values())):
        table.add_column(column, justify="right")
    for name, reached in lines.items():
        table.add_row(name, *(f"{100 * value:.2f}" for value in reached.values()))
    return table
