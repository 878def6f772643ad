"""Embedding the labelled people of whole scenes: who, in which order, on one device and on two."""

import numpy as np
import pytest
import torch

from pipeline.basics.errors import UserError
from pipeline.inference.people import all_people, labelled_people, person_ids_of
from pipeline.inference.sharing import Gathering
from pipeline.inference.students import search_scenes
from pipeline.inference.teachers.network import NetworkTeacher
from pipeline.lookup_table import mean_features
from pipeline.models.heads import HEADS, build_student
from pipeline.scenes.scene import UNLABELLED, Split
from tests.tiny import EMPTY_SCENE, IDENTITIES, TRAIN_SCENES, search_options, silent
from tests.two_processes import in_each_process

CPU = torch.device("cpu")
DIM = 16
UNIT = 1e-5


def network_of(head):
    torch.manual_seed(0)
    return build_student(search_options(head=head)).eval()


def embedded(head, prepared, batch_size=4, split=None, **more):
    split = split or prepared.split("train")
    images = prepared.images("train")
    teacher = NetworkTeacher(network_of(head), "tiny", None, batch_size)
    return dict(teacher.embeddings(split, images, labelled_people(split), CPU, silent, **more))


def test_the_people_are_the_labelled_ones_of_the_scenes_that_have_any(prepared):
    split = prepared.split("train")
    people = labelled_people(split)
    assert [found.scene for found in people] == [i for i in range(TRAIN_SCENES) if i != EMPTY_SCENE]
    for found in people:
        scene = split.scenes[found.scene]
        at = [scene.boxes.tolist().index(box) for box in found.boxes.tolist()]
        assert scene.person_ids[at].tolist() == found.person_ids.tolist()
        assert UNLABELLED not in found.person_ids
    labelled = sum(int((scene.person_ids != UNLABELLED).sum()) for scene in split.scenes)
    assert sum(len(found.person_ids) for found in people) == labelled


def test_all_people_are_the_boxes_in_their_order(prepared):
    split = prepared.split("train")
    people = all_people(split)
    np.testing.assert_array_equal(
        np.concatenate([found.boxes for found in people]), np.concatenate([s.boxes for s in split.scenes])
    )
    everybody = np.concatenate([scene.person_ids for scene in split.scenes])
    np.testing.assert_array_equal(person_ids_of(people), everybody)
    with pytest.raises(UserError, match="the train split has no boxes"):
        all_people(Split("train", split.scenes[EMPTY_SCENE : EMPTY_SCENE + 1], split.identities))


@pytest.mark.parametrize("head", HEADS)
def test_a_person_is_embedded_where_inference_embeds_its_true_box(head, prepared):
    split = prepared.split("train")
    network, images = network_of(head), prepared.images("train")
    found = search_scenes(network, split, images, batch_size=4, device=CPU, progress=silent)
    expected = [
        found[index].given_features[: len(scene.boxes)][scene.person_ids != UNLABELLED]
        for index, scene in enumerate(split.scenes)
    ]
    rows = np.concatenate(list(embedded(head, prepared).values()))
    assert rows.shape == (len(np.concatenate(expected)), DIM)
    np.testing.assert_allclose(rows, np.concatenate(expected), atol=UNIT)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=UNIT)


@pytest.mark.parametrize("batch_size", [1, 5, 50])
def test_the_batch_size_does_not_matter(batch_size, prepared):
    seen = []
    split, images = prepared.split("train"), prepared.images("train")
    teacher = NetworkTeacher(network_of("oim"), "tiny", None, batch_size)
    people = labelled_people(split)
    found = teacher.embeddings(split, images, people, CPU, lambda *done: seen.append(done))
    rows = np.concatenate([part for _, part in found])
    np.testing.assert_allclose(rows, np.concatenate(list(embedded("oim", prepared).values())), atol=1e-4)
    assert seen[-1] == (TRAIN_SCENES - 1, TRAIN_SCENES - 1)


def test_every_identity_gets_a_row_whichever_average(prepared):
    rows = np.concatenate(list(embedded("oim", prepared).values()))
    ids = person_ids_of(labelled_people(prepared.split("train")))
    one, people, counts = mean_features(rows, ids, "mean_then_normalise")
    assert people.tolist() == list(range(IDENTITIES))
    assert counts.sum() == len(ids)
    # Embeddings of a network are of unit length already.
    np.testing.assert_allclose(one, mean_features(rows, ids, "normalise_then_mean")[0], atol=UNIT)


def gathered(prepared, _rank):
    gathering = Gathering()
    return gathering.on_first(embedded("oim", prepared, batch_size=2, share=gathering.share))


def test_two_processes_find_what_one_does(prepared, tmp_path):
    first, second = in_each_process(lambda rank: gathered(prepared, rank), tmp_path)
    assert second is None
    alone = embedded("oim", prepared, batch_size=2)
    np.testing.assert_array_equal(np.concatenate(first), np.concatenate(list(alone.values())))


def test_nobody_labelled(prepared):
    split = prepared.split("train")
    nobody = tuple(type(s)(s.name, s.boxes, s.person_ids * 0 + UNLABELLED, s.camera) for s in split.scenes)
    with pytest.raises(UserError, match=r"nobody in the train split is labelled"):
        labelled_people(Split(split.name, nobody, split.identities))
