"""Whatever bytes an annotation file holds, reading it ends well or in a user's error."""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.basics.errors import UserError
from pipeline.datasets.checks import split_problems
from pipeline.datasets.coco import Coco
from pipeline.datasets.cuhk_sysu import CuhkSysu
from pipeline.datasets.mot import Mot
from pipeline.datasets.packing import prepare
from pipeline.datasets.prw import Prw
from tests.data_sets.own_trees import small_coco, small_mot
from tests.data_sets.trees import small_cuhk, small_prw
from tests.fuzzing.bytes_changed import damaged

TREES = {
    "prw": (small_prw, Prw),
    "cuhk": (small_cuhk, CuhkSysu),
    "coco": (small_coco, Coco),
    "mot": (small_mot, Mot),
}
ANNOTATIONS = (".mat", ".txt", ".json", ".ini")


@pytest.fixture(scope="module", params=TREES)
def tree(request, tmp_path_factory):
    """A tree, its annotation files with their contents, and its reader."""
    build, reader = TREES[request.param]
    root = build(tmp_path_factory.mktemp("tree") / request.param)
    files = sorted(path for path in root.rglob("*") if path.suffix in ANNOTATIONS)
    return reader, root, {path: path.read_bytes() for path in files}


@settings(max_examples=150)
@given(data=st.data())
def test_damaged_annotations_are_read_or_refused(tree, data):
    reader, root, files = tree
    path = data.draw(st.sampled_from(sorted(files)))
    path.write_bytes(data.draw(damaged(files[path])))
    try:
        with contextlib.suppress(UserError):
            for split in reader(root).splits().values():
                assert not split_problems(split)
        with contextlib.suppress(UserError):
            reader(root).inspect()
    finally:
        Path(path).write_bytes(files[path])


@settings(max_examples=100)
@given(lines=st.lists(st.text(st.characters(codec="utf-8"), max_size=40), max_size=4))
def test_any_text_as_the_list_of_queries(lines, tmp_path_factory):
    root = small_prw(tmp_path_factory.mktemp("tree") / "prw")
    (root / "query_info.txt").write_text("\n".join(lines), encoding="utf-8")
    with contextlib.suppress(UserError):
        Prw(root).splits()


ANY_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


@settings(max_examples=60)
@given(data=st.data())
def test_any_values_in_coco_json(data, tmp_path_factory):
    root = small_coco(tmp_path_factory.mktemp("tree") / "coco")
    content = json.loads((root / "annotations.json").read_text())
    for _ in range(data.draw(st.integers(1, 3))):
        entry = data.draw(st.sampled_from(content[data.draw(st.sampled_from(sorted(content)))]))
        entry[data.draw(st.sampled_from([*sorted(entry), "iscrowd", "attributes"]))] = data.draw(ANY_VALUE)
    (root / "annotations.json").write_text(json.dumps(content))
    with contextlib.suppress(UserError):
        prepare(Coco(root), root.parent / "prepared", lambda *_: None)
    with contextlib.suppress(UserError):
        Coco(root).inspect()
