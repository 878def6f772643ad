"""Queries and galleries that are drawn by seed, for a data set that brings none."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline.datasets.checks import Findings
from pipeline.datasets.galleries import all_other_scenes
from pipeline.datasets.pool import generator_of
from pipeline.datasets.sampled_galleries import FULL, sample_galleries, scenes_of
from pipeline.datasets.split_options import SplitOptions
from pipeline.scenes.scene import UNKNOWN_CAMERA, Galleries, Query, Split

CROSS_CAMERA = "cross_camera"


def with_searches(split: Split, options: SplitOptions, findings: Findings) -> Split:
    """Return a split with queries and galleries; each query's person is in its gallery.

    A gallery may hold scenes of the query's own camera, never the query's own scene. `cross_camera`, the
    scenes of other cameras, is there where a query has a match in it.

    Args:
        split: scenes and identities.
        options: how many queries a person has, the sizes of galleries, and the seed.
        findings: where notes go.
    """
    where = scenes_of(split.scenes)
    single = sum(len(where[person]) < 2 for person in range(len(split.identities)))
    findings.note_count(single, f"people of split '{split.name}' are in one scene only: they have no query")
    queries = draw_queries(split, options)
    if not queries:
        why = "nobody is in two scenes" if split.scenes else "it has no scenes"
        findings.warn(f"split '{split.name}': {why}, so that nobody can be searched for")
        return split
    galleries = _galleries(split, queries, options, findings)
    return replace(split, queries=queries, galleries=galleries, default_gallery=FULL)


def draw_queries(split: Split, options: SplitOptions) -> tuple[Query, ...]:
    """Draw some scenes of each person who is in two or more, in the order of the people and the scenes.

    The draw of a person depends on the seed, the split and the person's own id alone.
    """
    where, queries = scenes_of(split.scenes), []
    for person, name in enumerate(split.identities):
        held = where[person]
        if len(held) < 2:
            continue
        generator = generator_of(options.seed, "queries", split.name, name)
        chosen = generator.permutation(len(held))[: options.queries_per_person]
        for index in (held[position] for position in np.sort(chosen)):
            scene = split.scenes[index]
            queries.append(Query(index, scene.boxes[np.argmax(scene.person_ids == person)], person))
    return tuple(queries)


def _galleries(
    split: Split, queries: Sequence[Query], options: SplitOptions, findings: Findings
) -> dict[str, Galleries]:
    full = all_other_scenes(queries, split.scenes, cross_camera=False)
    most = int(np.diff(full.positive_offsets).max())  # a smaller gallery could not hold all of them
    sizes = [size for size in options.gallery_sizes if most <= size < len(split.scenes)]
    left_out = [str(size) for size in options.gallery_sizes if size not in sizes]
    findings.note_count(
        len(left_out),
        f"gallery sizes of split '{split.name}' left out ({', '.join(left_out)}): a gallery holds all scenes "
        f"with the person, up to {most} here, and at most {len(split.scenes) - 1}",
    )
    generator = generator_of(options.seed, "galleries", split.name)
    galleries = sample_galleries(split.scenes, queries, sizes, generator) if sizes else {}
    galleries |= {FULL: full}
    cross = all_other_scenes(queries, split.scenes, cross_camera=True)
    known = all(scene.camera != UNKNOWN_CAMERA for scene in split.scenes)
    return galleries | ({CROSS_CAMERA: cross} if known and len(cross.positives) else {})
