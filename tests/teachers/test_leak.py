"""Market-1501 has PRW's people: who says so, in which spelling, and who says nothing."""

import pytest

from pipeline.inference.teachers.leak import TrainedOn, all_trained_on, leak_note, own_trained_on
from pipeline.models.reid import ReidModel
from pipeline.models.weight_files import Origin, save_weights
from tests.tiny import reid_options


@pytest.mark.parametrize("name", ["market", "Market-1501", "market1501", "MSMT17+Market 1501", "MARKET_1501"])
@pytest.mark.parametrize("dataset", ["prw", "prw_mini"])
def test_a_teacher_that_has_seen_them(name, dataset):
    note = leak_note([dataset], TrainedOn(("msmt17", name)))
    assert f"was trained on {name}, whose people and footage are those of PRW" in note
    assert f"'{dataset}'" in note
    assert "\n" not in note


def test_a_part_of_a_mixed_data_set_shares_them_wherever_it_stands():
    for datasets in (["coco", "prw_mini"], ["prw_mini", "coco"]):
        assert "those of PRW: do not score a student of it on 'prw_mini'" in leak_note(
            datasets, TrainedOn(("market",))
        )


def test_a_teacher_of_whom_nobody_says():
    note = leak_note(["prw"], TrainedOn(unsaid=("a.onnx",)))
    assert note.startswith("nobody said (`trained_on`) what was learned from by a.onnx; Market-1501 shows")


@pytest.mark.parametrize("first", [0, 1, 2])
def test_one_of_several_models_that_has_seen_them_is_enough(first):
    models = [TrainedOn(("msmt17",)), TrainedOn(unsaid=("b.onnx",)), TrainedOn(("market",))]
    note = leak_note(["prw"], all_trained_on([*models[first:], *models[:first]]))
    assert "was trained on market, whose people" in note
    assert note.endswith("; nobody said (`trained_on`) what was learned from by b.onnx")


def test_a_weight_file_names_a_layout_and_not_whose_people_they_are():
    note = leak_note(["prw"], TrainedOn(own=("market",)))
    assert "was trained on a data set in Market-1501's layout; if it is Market-1501 itself" in note
    assert "whose people" not in note
    stated = leak_note(["prw"], TrainedOn(("Market",), ("market",)))
    assert "was trained on Market, whose people" in stated
    assert "layout" not in stated


@pytest.mark.parametrize(
    ("dataset", "trained_on"),
    [
        ("prw", TrainedOn()),
        ("prw", TrainedOn(("msmt17",), ("prw",))),
        ("cuhk_sysu", TrainedOn(("market",), ("market",))),
        ("synthetic", TrainedOn(unsaid=("a.onnx",))),
    ],
)
def test_nothing_to_say(dataset, trained_on):
    assert leak_note([dataset], trained_on) is None


@pytest.mark.parametrize("origin", [None, Origin("market", {"crops": "a"})])
def test_a_weight_file_of_this_project_says_itself(origin, tmp_path):
    state = ReidModel(reid_options()).state_dict()
    path = tmp_path / "reid.safetensors"
    save_weights(path, "reid", reid_options(), state, origin)
    known = TrainedOn(unsaid=(str(path),)) if origin is None else TrainedOn(own=("market",))
    assert own_trained_on(path) == known
