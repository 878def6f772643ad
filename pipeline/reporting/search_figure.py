"""The figure of searches: the person looked for, and the most similar boxes of each student."""

from collections.abc import Callable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from pipeline.reporting.cut_out import Picture, cut_out
from pipeline.reporting.shown_queries import Answer, ShownQuery
from pipeline.reporting.style import (
    BLUE,
    FAINT,
    GREEN,
    GREY,
    INK,
    RED,
    STUDENT_TITLES,
    drawable,
    drawing,
    png,
)
from pipeline.scenes.scene import FloatArray

Pictures = Callable[[int], Picture]
"""Returns the picture of a scene, `[H, W, 3]`, by the scene's index."""

# Lengths are inches from the upper left corner.
MARGIN = 0.2
HEADER = 1.1
TILE_WIDTH, TILE_HEIGHT = 0.78, 1.0
TILE_GAP = 0.13
LINE_HEIGHT = TILE_HEIGHT + 0.27
BLOCK_GAP = 0.3
QUERY_WIDTH = 1.4
NAME_WIDTH = 1.4
RANKS_WIDTH = 1.0
FRAME_WIDTH = 3.0
BOX_WIDTH = 0.9
BADGE = 0.2

TILE_CONTEXT = 1.35
"""Height of a hit's cut-out, in heights of its box."""
QUERY_CONTEXT = 2.0
LARGEST = 398_000
"""Bytes of the PNG, which is kept in Git."""
GALLERIES = {"full": "gallery of all other scenes", "cross_camera": "gallery of all other cameras' scenes"}
RANKS_LENGTH = 12
"""How many characters fit behind the hits."""


def search_figure(
    queries: Sequence[ShownQuery],
    total: int,
    gallery: str,
    pictures: Pictures,
    *,
    choice: str,
    colours: Mapping[str, str],
) -> bytes:
    """Draw for each query the person looked for, and a line with the hits of each student. Returns a PNG.

    Args:
        queries: at least one, each with the answers of the same students.
        total: number of queries that the shown ones were chosen from.
        gallery: name of the gallery that was searched.
        pictures: the scenes' pictures.
        choice: how the queries were chosen, in words.
        colours: by student.
    """
    lines = len(queries[0].answers)
    top = max(1, *(len(answer.hits) for query in queries for answer in query.answers.values()))
    block = lines * LINE_HEIGHT + BLOCK_GAP
    hits_at = MARGIN + QUERY_WIDTH + NAME_WIDTH + 0.15
    width = hits_at + top * (TILE_WIDTH + TILE_GAP) + RANKS_WIDTH + MARGIN
    height = HEADER + len(queries) * block
    with drawing():
        figure = Figure(figsize=(width, height), facecolor="white")
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set(xlim=(0, width), ylim=(height, 0))
        axes.set_axis_off()
        _header(axes, queries, total, gallery, top, choice)
        for place, shown in enumerate(queries):
            upper = HEADER + place * block
            if place:
                axes.plot([MARGIN, width - MARGIN], [upper - 0.17] * 2, color=FAINT, linewidth=1.0)
            _query(axes, shown, upper, lines, pictures(shown.query.scene))
            for line, (student, answer) in enumerate(shown.answers.items()):
                y = upper + line * LINE_HEIGHT
                _student_name(axes, student, colours[student], y)
                _hits(axes, answer, hits_at, y, pictures)
                _ranks(axes, answer, shown.matches, hits_at + top * (TILE_WIDTH + TILE_GAP), y)
        return png(figure, largest=LARGEST)


def _header(
    axes: Axes, queries: Sequence[ShownQuery], total: int, gallery: str, top: int, choice: str
) -> None:
    axes.text(
        MARGIN, 0.2, "Who is found when this person is looked for?", fontsize=15, weight="bold", va="center"
    )
    x, y = MARGIN, 0.52
    legend = (
        (BLUE, "", "the person looked for"),
        (GREEN, "✓", "right person"),
        (RED, "✗", "wrong"),
    )
    for colour, mark, text in legend:
        axes.add_patch(Rectangle((x, y - 0.08), 0.16, 0.16, facecolor=colour, edgecolor="none"))
        _white_mark(axes, mark, x + 0.08, y, 9)
        axes.text(x + 0.24, y, text, fontsize=10, va="center_baseline")
        x += 0.6 + 0.07 * len(text)
    axes.text(x, y, f"left to right: the {top} most similar boxes", fontsize=10, va="center_baseline")
    searched = GALLERIES.get(gallery, f"gallery of {drawable(gallery)} scenes")
    numbers = ", ".join(str(shown.number) for shown in queries)
    axes.text(
        MARGIN,
        0.8,
        f"Below each box: its similarity. Queries {numbers} of 0 … {total - 1}, {drawable(choice)}; "
        f"each in its {searched}.",
        fontsize=8,
        color=GREY,
        va="center",
    )


def _query(axes: Axes, shown: ShownQuery, y: float, lines: int, picture: Picture) -> None:
    height = lines * LINE_HEIGHT - 0.27
    _tile(axes, picture, shown.query.box, (MARGIN, y, QUERY_WIDTH, height), QUERY_CONTEXT, BLUE)
    _caption(axes, f"query {shown.number}", MARGIN + QUERY_WIDTH / 2, y + height + 0.14, GREY)


def _student_name(axes: Axes, student: str, colour: str, y: float) -> None:
    x = MARGIN + QUERY_WIDTH + 0.15
    axes.text(x, y + 0.42, drawable(student), fontsize=11, weight="bold", color=colour, va="center")
    axes.text(x, y + 0.63, STUDENT_TITLES.get(student, ""), fontsize=8, color=GREY, va="center")


def _hits(axes: Axes, answer: Answer, x: float, y: float, pictures: Pictures) -> None:
    if not answer.hits:
        axes.text(x, y + TILE_HEIGHT / 2, "no box found", color=GREY, va="center")
    for place, hit in enumerate(answer.hits):
        left = x + place * (TILE_WIDTH + TILE_GAP)
        colour, mark = (GREEN, "✓") if hit.correct else (RED, "✗")
        _tile(axes, pictures(hit.scene), hit.box, (left, y, TILE_WIDTH, TILE_HEIGHT), TILE_CONTEXT, colour)
        axes.add_patch(Rectangle((left, y), BADGE, BADGE, facecolor=colour, edgecolor="none", zorder=4))
        _white_mark(axes, mark, left + BADGE / 2, y + BADGE / 2, 11)
        _caption(axes, f"{hit.similarity:.2f}", left + TILE_WIDTH / 2, y + TILE_HEIGHT + 0.12, INK)


def _caption(axes: Axes, text: str, x: float, y: float, colour: str) -> None:
    axes.text(x, y, text, fontsize=8, color=colour, ha="center", va="center")


def _white_mark(axes: Axes, mark: str, x: float, y: float, size: float) -> None:
    axes.text(
        x,
        y,
        mark,
        color="white",
        weight="bold",
        fontsize=size,
        ha="center",
        va="center_baseline",
        zorder=5,
    )


def _ranks(axes: Axes, answer: Answer, matches: int, x: float, y: float) -> None:
    found = len(answer.ranks)
    axes.text(x + 0.05, y + 0.32, "right at rank", fontsize=8, color=GREY, va="center")
    axes.text(x + 0.05, y + 0.52, _ranks_text(answer.ranks), fontsize=10, weight="bold", va="center")
    axes.text(x + 0.05, y + 0.72, f"{found} of {matches} found", fontsize=8, color=GREY, va="center")


def _ranks_text(ranks: Sequence[int]) -> str:
    """Return the first ranks, as many as fit, as a text."""
    text = ""
    for rank in ranks:
        longer = f"{text}, {rank}" if text else str(rank)
        if len(longer) > RANKS_LENGTH:
            return f"{text} …"
        text = longer
    return text or "none"


def _tile(
    axes: Axes,
    picture: Picture,
    box: FloatArray,
    place: tuple[float, float, float, float],
    context: float,
    colour: str,
) -> None:
    """Draw a box with its surroundings at `place` (left, upper, width, height), framed."""
    x, y, width, height = place
    cut, inner = cut_out(picture, box, context, width / height)
    scale = width / cut.shape[1], height / cut.shape[0]
    axes.imshow(
        cut,
        extent=(x, x + width, y + height, y),
        interpolation="bilinear",
        aspect="auto",
        zorder=1,
    )
    left, upper, right, lower = inner
    axes.add_patch(
        Rectangle(
            (x + left * scale[0], y + upper * scale[1]),
            (right - left) * scale[0],
            (lower - upper) * scale[1],
            fill=False,
            edgecolor=colour,
            linewidth=BOX_WIDTH,
            zorder=2,
        )
    )
    axes.add_patch(
        Rectangle((x, y), width, height, fill=False, edgecolor=colour, linewidth=FRAME_WIDTH, zorder=3)
    )
