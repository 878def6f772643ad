"""Embedding crops that are cut from scenes in memory: which pixels, batches, ensembles, errors."""

import numpy as np
import pytest
import torch

from pipeline.basics.errors import UserError
from pipeline.batches.loading import Share
from pipeline.batches.pictures import decode, training_floats
from pipeline.batches.transforms import plain_crop_transform
from pipeline.inference.crops import embed_both_ways
from pipeline.inference.people import all_people, labelled_people
from pipeline.inference.sharing import Gathering
from pipeline.inference.teachers.crop_teacher import CropTeacher, OwnCropModel
from pipeline.inference.teachers.ensemble import load_ensemble
from pipeline.inference.teachers.leak import TrainedOn
from pipeline.inference.teachers.onnx import load_onnx
from pipeline.models.reid import ReidModel
from pipeline.models.weight_files import Origin, save_weights
from pipeline.scenes.boxes import pixels_of
from tests.teachers.models import DIM, unit, weights, write_onnx, write_torchscript
from tests.tiny import TRAIN_SCENES, reid_options, silent

CPU = torch.device("cpu")


def own_model():
    torch.manual_seed(0)
    return ReidModel(reid_options()).eval()


def teacher_of(*models, batch_size=5, scene_batch_size=3):
    return CropTeacher(models, batch_size, scene_batch_size)


def embedded(teacher, data, people=all_people, progress=silent):
    split = data.split("train")
    found = teacher.embeddings(split, data.images("train"), people(split), CPU, progress)
    return np.concatenate([rows for _, rows in found])


def test_crops_are_the_pixels_under_the_boxes_at_the_models_size(prepared):
    model = own_model()
    split, images = prepared.split("train"), prepared.images("train")
    resize = plain_crop_transform(model.crop_height, model.crop_width)
    expected = []
    for index, scene in enumerate(split.scenes):
        picture = decode(images[index])
        for box in scene.boxes:
            left, top, right, bottom = pixels_of(box, picture.shape[-1], picture.shape[-2])
            crop = training_floats(resize(picture[:, top:bottom, left:right]))
            expected.append(embed_both_ways(model, crop[None])[0].numpy())
    rows = embedded(teacher_of(OwnCropModel(model, "own", TrainedOn(), CPU)), prepared)
    np.testing.assert_allclose(rows, np.stack(expected), atol=1e-5)


@pytest.mark.parametrize("sizes", [(1, 1), (2, 50), (100, 4)])
def test_batches_do_not_matter_and_labelled_people_are_some_of_all(sizes, prepared, tmp_path):
    model = load_onnx(write_onnx(tmp_path / "model.onnx", batch=2), CPU)
    seen = []
    rows = embedded(teacher_of(model), prepared)
    other = embedded(
        teacher_of(model, batch_size=sizes[0], scene_batch_size=sizes[1]),
        prepared,
        progress=lambda *done: seen.append(done),
    )
    np.testing.assert_allclose(other, rows, atol=1e-5)
    assert seen[-1] == (TRAIN_SCENES - 1, TRAIN_SCENES - 1)
    ids = np.concatenate([scene.person_ids for scene in prepared.split("train").scenes])
    labelled = embedded(teacher_of(model), prepared, labelled_people)
    np.testing.assert_allclose(labelled, rows[ids >= 0], atol=1e-5)


def ensemble_in(folder):
    write_onnx(folder / "b.onnx", trained_on=["b"])
    write_torchscript(folder / "a.pt", matrix=weights(1, 5), trained_on=["a"])
    model = own_model()
    origin = Origin("c", {})
    save_weights(folder / "c.safetensors", "reid", reid_options(), model.state_dict(), origin)
    (folder / "README.md").write_text("no model")
    return load_ensemble(folder, CPU)


def test_the_inner_product_of_an_ensemble_is_the_mean_of_its_models(prepared, tmp_path):
    models = ensemble_in(tmp_path)
    assert [model.name for model in models] == [
        str(tmp_path / n) for n in ("a.pt", "b.onnx", "c.safetensors")
    ]
    teacher = teacher_of(*models)
    assert teacher.trained_on == TrainedOn(("a", "b"), ("c",))
    rows = embedded(teacher, prepared)
    assert rows.shape[1] == 5 + DIM + 16
    assert rows.dtype == np.float32
    alone = [unit(embedded(teacher_of(model), prepared)) for model in models]
    mean = sum(own @ own.T for own in alone) / 3
    np.testing.assert_allclose(rows @ rows.T, mean, atol=1e-5)


def test_an_ensemble_of_too_few_or_of_no_folder(tmp_path):
    with pytest.raises(UserError, match="is no folder; an ensemble is a folder of models"):
        load_ensemble(tmp_path / "nothing", CPU)
    write_onnx(tmp_path / "a.onnx")
    with pytest.raises(UserError, match="holds 1 models"):
        load_ensemble(tmp_path, CPU)


def test_what_one_model_says_is_kept_where_nobody_says_anything_of_another(tmp_path):
    said, unsaid = write_onnx(tmp_path / "a.onnx", trained_on=["x"]), write_onnx(tmp_path / "b.onnx")
    assert teacher_of(load_onnx(said, CPU)).trained_on == TrainedOn(("x",))
    both = teacher_of(load_onnx(unsaid, CPU), load_onnx(said, CPU))
    assert both.trained_on == TrainedOn(("x",), unsaid=(str(unsaid),))


class Spoiled:
    """A model that gives `value` for its n-th crop, or another number of dimensions from then on."""

    name, size, trained_on, advice = "spoiled.onnx", (16, 8), TrainedOn(), "why?"

    def __init__(self, at, value):
        self.at, self.value, self.seen = at, value, 0

    def embed(self, crops):
        rows = torch.ones(len(crops), 4)
        place = self.at - self.seen
        self.seen += len(crops)
        if self.value is None:
            return rows if place > 0 else rows[:, :3]
        if 0 <= place < len(crops):
            rows[place] = self.value
        return rows


@pytest.mark.parametrize(
    ("value", "what"), [(0.0, "zero"), (float("nan"), "not finite"), (float("inf"), "not finite")]
)
def test_an_embedding_without_direction_is_named(value, what, prepared):
    with pytest.raises(UserError) as error:
        embedded(teacher_of(Spoiled(10, value)), prepared)
    says = (
        f"spoiled.onnx: the embedding of box 1 of train3.jpg is {what}; such a teacher cannot be learned from"
    )
    assert str(error.value) == f"{says} (why?)"
    assert "\n" not in str(error.value)


def test_another_number_of_dimensions_in_between(prepared):
    with pytest.raises(UserError, match="gives 4 numbers for one crop and 3 for another"):
        embedded(teacher_of(Spoiled(10, None)), prepared)


def test_shares_of_two_devices_together_are_what_one_finds_to_the_bit(prepared, tmp_path):
    teacher, split = teacher_of(load_onnx(write_onnx(tmp_path / "model.onnx"), CPU)), prepared.split("train")
    parts = {}
    for rank in range(2):
        own = teacher.embeddings(
            split, prepared.images("train"), all_people(split), CPU, silent, Share(rank, 2)
        )
        parts |= dict(own)
    together = np.concatenate([parts[first] for first in sorted(parts)])
    np.testing.assert_array_equal(together, embedded(teacher, prepared))


def test_one_device_alone_holds_one_result_at_a_time():
    made = []
    found = Gathering().in_order((place, made.append(place) or place) for place in range(3))
    assert next(found) == 0
    assert made == [0]
    assert [*found] == [1, 2]
