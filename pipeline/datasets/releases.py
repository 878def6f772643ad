"""Recognising what a folder holds: which data set, which of its public releases, and what is missing."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.basics.errors import UserError

LAYOUTS = {
    "cuhk_sysu": ("CUHK-SYSU", ("annotation/Images.mat", "annotation/pool.mat", "Image/SSM")),
    "prw": ("PRW", ("frame_train.mat", "frame_test.mat", "query_info.txt", "frames")),
    "market": ("Market-1501", ("bounding_box_train", "bounding_box_test", "query")),
}
"""For each layout on disk: the data set's title, and the paths by which its root is recognised."""

OTHER_RELEASES = (
    ("labels_with_ids", "the re-packed release for multi-object tracking (images/, labels_with_ids/)"),
    ("cropped_images", "the release of cropped people for re-identification (cropped_images/)"),
    ("cropped_image", "the release of cropped people for re-identification (cropped_image/)"),
)


def require_layout(root: Path, data_set: str, needed: Sequence[str]) -> None:
    """Check that a folder is a data set's root and holds all paths needed.

    Args:
        root: the folder.
        data_set: a key of `LAYOUTS`.
        needed: paths within the root.

    Raises:
        UserError: the folder is missing, lacks one of the paths, or holds another data set or release.
    """
    title, _ = LAYOUTS[data_set]
    require_folder(root, f"give the folder that {title} was unpacked to")
    try:
        missing = [path for path in needed if not (root / path).exists()]
        if missing:
            guess = _guess(root, data_set)
            raise UserError(f"{root} is no complete {title}: {_are(missing)} missing{guess}")
    except OSError as error:
        raise UserError(f"{root} cannot be read: {error.strerror}") from None


def require_folder(root: Path, give: str) -> None:
    """Check that a data set's root is a folder.

    Args:
        root: the folder.
        give: what the user is to do: "give the folder that ...".

    Raises:
        UserError: it is missing, a file, or cannot be looked at.
    """
    try:
        if not root.exists():
            tilde = " ('~' is taken as a folder's name here: write the home folder out)"
            raise UserError(f"{root} does not exist{tilde if root.parts[:1] == ('~',) else ''}: {give}")
        if not root.is_dir():
            raise UserError(f"{root} is a file: {give}")
    except OSError as error:
        raise UserError(f"{root} cannot be read: {error.strerror}") from None
    except ValueError as error:  # no system has such a path
        raise UserError(f"{str(root)!r} cannot be a folder: {error}; {give}") from None


def release_of(counts: dict[str, tuple[int, int]]) -> str:
    """Return which release has these counts: what is counted -> (number found, number published)."""
    off = [
        f"{found:,} of {published:,} {what}"
        for what, (found, published) in counts.items()
        if found != published
    ]
    if not off:
        return "the full release"
    more = any(found > published for found, published in counts.values())
    return f"{'another edition' if more else 'a subset, or another set in its layout'} ({'; '.join(off)})"


def _are(paths: Sequence[str]) -> str:
    return f"{' and '.join(paths)} {'is' if len(paths) == 1 else 'are'}"


def _looks_like(folder: Path) -> str | None:
    scores = {key: sum((folder / sign).exists() for sign in signs) for key, (_, signs) in LAYOUTS.items()}
    best = max(scores, key=lambda key: scores[key])
    return best if scores[best] else None


def _guess(root: Path, data_set: str) -> str:
    """Return what the folder looks like instead, as the end of a message; empty where that is unknown."""
    found = _looks_like(root)
    if found and found != data_set:
        return f"; it looks like {LAYOUTS[found][0]}: use the data set name '{found}'"
    if found == "cuhk_sysu" and not (root / "annotation/Images.mat").exists():
        return (
            "; it looks like the other public release of CUHK-SYSU, which lacks annotation/Images.mat "
            "(all boxes of all images): get the release for person search, which has it"
        )
    for sign, release in OTHER_RELEASES:
        if (root / sign).exists():
            return f"; it looks like {release}, which has no whole-scene person-search annotations"
    if found:
        return ""
    for child in sorted(path for path in root.iterdir() if path.is_dir()):
        if _looks_like(child) == data_set:
            return f"; did you mean {child}?"
    return "; it is empty" if not any(root.iterdir()) else "; it looks like no data set known here"
