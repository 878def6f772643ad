"""Dividing a pool of scenes into `train`, `val` and `test`: no scene and no person is in two splits.

People who are in scenes of several splits are labelled in one of them and unlabelled in the others.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.basics.errors import UserError
from pipeline.datasets.checks import Findings
from pipeline.datasets.drawn_searches import with_searches
from pipeline.datasets.pool import Pool, generator_of
from pipeline.datasets.scene_division import Division, divide_scenes
from pipeline.datasets.split_options import SPLITS, SplitOptions
from pipeline.scenes.scene import UNLABELLED, IntArray, Split

SEARCHED = ("test", "val")
"""The splits in which people are searched for; a person needs two scenes there."""
NOBODY = -1


def split_pool(pool: Pool, options: SplitOptions, root: Path, findings: Findings) -> dict[str, Split]:
    """Return the splits of a pool: those of the listed files where there are any, else drawn ones.

    Args:
        pool: all scenes.
        options: shares and seed, or files.
        root: the folder that the files are below.
        findings: where notes and problems go.
    """
    if options.files:
        return split_as_given(pool, _listed(pool, options, root, findings), options, findings)
    division = divide_scenes(pool, options)
    findings.problems += [
        f"split '{split}' gets none of {len(pool.scenes)} scenes: set its share to 0, or, where sequences "
        "share people, `split.by: time`"
        for split, scenes in division.items()
        if not scenes
    ]
    owners = divide_people(pool, division, options)
    splits = {}
    for split in SPLITS:
        if split in division:
            owned = owners == list(division).index(split)
            splits[split] = _split(pool, split, division[split], owned, options, findings)
    lost = sum(int((scene.person_ids != UNLABELLED).sum()) for scene in pool.scenes) - sum(
        int((scene.person_ids != UNLABELLED).sum()) for split in splits.values() for scene in split.scenes
    )
    findings.note_count(lost, "boxes show people of another split, and are unlabelled in theirs")
    return splits


def split_as_given(
    pool: Pool, division: Division, options: SplitOptions, findings: Findings
) -> dict[str, Split]:
    """Return splits whose scenes are given. All their people are labelled, also those of another split."""
    everybody = np.ones(len(pool.identities), dtype=bool)
    return {
        split: _split(pool, split, division[split], everybody, options, findings)
        for split in SPLITS
        if split in division
    }


def divide_people(pool: Pool, division: Division, options: SplitOptions) -> IntArray:
    """Return `[I]` the split of each person, as its position in `division`.

    Who is in the scenes of one split belongs there. Of the others, `test` and then `val` take those who are
    mostly there, until they have their share; a tie is drawn. The rest is for training.

    Args:
        pool: all scenes.
        division: the scenes of each split.
        options: shares and seed.
    """
    names = list(division)
    counts = _scene_counts(pool, division)
    present = counts > 0
    owners = np.where(present.sum(axis=0) == 1, present.argmax(axis=0), NOBODY)
    draws = np.array([generator_of(options.seed, "person", name).random() for name in pool.identities])
    here = counts / np.maximum(counts.sum(axis=0), 1)
    for split in SEARCHED:
        if split not in names:
            continue
        row = names.index(split)
        can = counts[row] >= 2
        wanted = max(1, round(options.shares[split] * len(pool.identities))) - int(
            (can & (owners == row)).sum()
        )
        free = np.flatnonzero(can & (owners == NOBODY))
        order = np.lexsort((draws[free], -here[row, free]))
        owners[free[order[: max(wanted, 0)]]] = row
    training = names.index("train")
    left = (owners == NOBODY) & present.any(axis=0)
    owners[left] = np.where(present[training, left], training, counts[:, left].argmax(axis=0))
    return owners.astype(np.int64)


def _scene_counts(pool: Pool, division: Division) -> npt.NDArray[np.int64]:
    """Return `[splits, I]` in how many scenes of each split each person is."""
    counts = np.zeros((len(division), len(pool.identities)), dtype=np.int64)
    for row, scenes in enumerate(division.values()):
        for index in scenes:
            ids = pool.scenes[index].person_ids
            counts[row, np.unique(ids[ids != UNLABELLED])] += 1
    return counts


def _split(
    pool: Pool,
    name: str,
    indices: Sequence[int],
    owned: npt.NDArray[np.bool_],
    options: SplitOptions,
    findings: Findings,
) -> Split:
    """Return one split: its people are those `owned` who are in its scenes, numbered from 0."""
    scenes = [pool.scenes[index] for index in indices]
    ids = np.concatenate([np.empty(0, np.int64), *(scene.person_ids for scene in scenes)])
    seen = np.unique(ids[ids != UNLABELLED])
    people = seen[owned[seen]]
    numbering = np.full(len(pool.identities) + 1, UNLABELLED)
    numbering[people] = np.arange(len(people))  # the last element is for `UNLABELLED`: index -1
    kept = tuple(replace(scene, person_ids=numbering[scene.person_ids]) for scene in scenes)
    split = Split(name, kept, tuple(pool.identities[person] for person in people))
    return with_searches(split, options, findings) if name in SEARCHED else split


def _listed(pool: Pool, options: SplitOptions, root: Path, findings: Findings) -> Division:
    """Return the scenes that the files list, by their own names or their sequences' names."""
    by_name: dict[str, list[int]] = {}
    for index, (scene, sequence) in enumerate(zip(pool.scenes, pool.sequences, strict=True)):
        by_name.setdefault(sequence, []).append(index)
        by_name[scene.name] = [index]
    division, taken = {}, dict[int, str]()
    for split, file in options.files.items():
        chosen: set[int] = set()
        for number, name in _lines(root / file):
            where = f"{file}: line {number}"
            if name not in by_name:
                findings.problems.append(f"{where}: there is no scene and no sequence '{name}'")
            for index in by_name.get(name, ()):
                if taken.setdefault(index, file) != file:
                    findings.problems.append(f"{where}: {pool.scenes[index].name} is in {taken[index]}, too")
                else:
                    chosen.add(index)
        division[split] = sorted(chosen)
    findings.warn_count(len(pool.scenes) - len(taken), "scenes are in no list of a split and left out")
    return division


def _lines(path: Path) -> list[tuple[int, str]]:
    """Return number and text of the lines that are not empty. Raises `UserError` where it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(
            f"{path} is missing, which `split` names; it lists scenes or sequences, a line each"
        ) from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} cannot be read as text: save it as UTF-8") from None
    return [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
