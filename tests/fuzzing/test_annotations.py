"""Whatever bytes an annotation file holds, reading it ends well or in a user's error."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.basics.errors import UserError
from pipeline.datasets.checks import split_problems
from pipeline.datasets.cuhk_sysu import CuhkSysu
from pipeline.datasets.prw import Prw
from tests.data_sets.trees import small_cuhk, small_prw
from tests.fuzzing.bytes_changed import damaged

TREES = {"prw": (small_prw, Prw), "cuhk": (small_cuhk, CuhkSysu)}


@pytest.fixture(scope="module", params=TREES)
def tree(request, tmp_path_factory):
    """A tree, its annotation files with their contents, and its reader."""
    build, reader = TREES[request.param]
    root = build(tmp_path_factory.mktemp("tree") / request.param)
    files = sorted(path for path in root.rglob("*") if path.suffix in (".mat", ".txt"))
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
