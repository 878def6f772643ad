"""Market-1501 has PRW's people: who says so, in which spelling, and who says nothing."""

import pytest

from pipeline.inference.teachers.leak import leak_note, own_trained_on
from pipeline.models.reid import ReidModel
from pipeline.models.weight_files import Origin, save_weights
from tests.tiny import reid_options


@pytest.mark.parametrize("name", ["market", "Market-1501", "market1501", "MSMT17+Market 1501", "MARKET_1501"])
@pytest.mark.parametrize("dataset", ["prw", "prw_mini"])
def test_a_teacher_that_has_seen_them(name, dataset):
    note = leak_note(dataset, ["msmt17", name])
    assert f"was trained on {name}" in note
    assert f"'{dataset}'" in note
    assert "\n" not in note


def test_a_teacher_of_whom_nobody_says():
    assert "nobody said" in leak_note("prw", None)


@pytest.mark.parametrize(
    ("dataset", "trained_on"),
    [("prw", []), ("prw", ["msmt17"]), ("cuhk_sysu", ["market"]), ("synthetic", None)],
)
def test_nothing_to_say(dataset, trained_on):
    assert leak_note(dataset, trained_on) is None


@pytest.mark.parametrize("origin", [None, Origin("market", {"crops": "a"})])
def test_a_weight_file_of_this_project_says_itself(origin, tmp_path):
    state = ReidModel(reid_options()).state_dict()
    save_weights(tmp_path / "reid.safetensors", "reid", reid_options(), state, origin)
    assert own_trained_on(tmp_path / "reid.safetensors") == (None if origin is None else ["market"])
