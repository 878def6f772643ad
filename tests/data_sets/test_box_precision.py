"""Whatever boxes the annotations hold: those that are read have a side in float32, whatever the resizing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.basics.errors import UserError
from pipeline.batches.ground_truth import ground_truth
from pipeline.datasets.cuhk_sysu import CuhkSysu
from pipeline.datasets.dataset import DataSet
from pipeline.datasets.packing import prepare
from pipeline.datasets.prw import Prw
from tests.data_sets.trees import SIZE, rewrite, small_cuhk, small_prw, struct_array, variable

WIDTH, HEIGHT = SIZE
SHORT_SIDES = (96, 800, 1500)


def near(edge: float) -> st.SearchStrategy[float]:
    """Return coordinates on both sides of an edge, most of them closer than a float32 can tell."""
    return st.builds(
        lambda sign, power: edge + sign * 10.0**power, st.sampled_from([-1, 0, 1]), st.floats(-17, 2)
    )


corners = st.one_of(near(0), near(WIDTH), near(HEIGHT), st.floats(-300, 300))
lengths = st.one_of(st.floats(-17, 3).map(lambda power: 10.0**power), near(WIDTH), st.just(1e30))
entries = st.lists(st.tuples(corners, corners, lengths, lengths).map(list), min_size=1, max_size=4)


def prw_with(root: Path, boxes: list[list[float]]) -> DataSet:
    annotation = np.array([[-2, *box] for box in boxes], dtype=np.float64)
    rewrite(root / "annotations/c1s1_000001.jpg.mat", box_new=annotation)
    return Prw(root)


def cuhk_with(root: Path, boxes: list[list[float]]) -> DataSet:
    path = root / "annotation/Images.mat"
    images = variable(path, "Img")
    images["box"][0, 0] = struct_array([{"idlocate": np.array([box]), "ishard": 0.0} for box in boxes])
    rewrite(path, Img=images)
    return CuhkSysu(root)


@pytest.fixture(scope="module", params=["prw", "cuhk"])
def tree(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A function that puts boxes into the first training scene of a tree, and the tree."""
    build, change = {"prw": (small_prw, prw_with), "cuhk": (small_cuhk, cuhk_with)}[request.param]
    return change, build(tmp_path_factory.mktemp("tree") / request.param)


@given(boxes=entries)
def test_boxes_are_left_out_refused_or_wide_enough(tree: Any, boxes: list[list[float]]) -> None:
    change, root = tree
    try:
        data = prepare(change(root, boxes), root.with_name("prepared"), lambda _done, _all: None)
    except UserError as error:
        assert any(why in str(error) for why in ("lies outside", "has no area", "is not finite"))
        return
    found = ground_truth(data.split("train").scenes[0], (HEIGHT, WIDTH))["boxes"].as_subclass(torch.Tensor)
    assert found.dtype == torch.float32 and len(found) <= len(boxes)
    for short_side in SHORT_SIDES:
        resized = found * torch.tensor(short_side / min(SIZE), dtype=torch.float32)
        assert (resized[:, 2:] > resized[:, :2]).all()
