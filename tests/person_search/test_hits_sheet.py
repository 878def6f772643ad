"""The figure of the hits: cut-outs of any shape, each picture read once."""

import numpy as np
from PIL import Image

from person_search import hits_sheet as module
from person_search.hits import Hit
from person_search.hits_sheet import hits_sheet
from person_search.sources import rereading
from pipeline.inference.own_pictures import reading

BOX = np.array([10.0, 8.0, 40.0, 60.0])


def pixels_of(sheet):
    return np.asarray(sheet).astype(int)


def sheet_of(path, box, hits):
    return hits_sheet([Hit(str(path), tuple(box), 1.0, 1.0)], hits)


def test_a_box_as_wide_as_a_panorama_takes_no_more_room_than_its_tile(tmp_path, monkeypatch):
    path = tmp_path / "wide.png"
    Image.new("RGB", (40_000, 200), (200, 30, 30)).save(path)
    sizes = []
    cut_out = module.cut_out

    def noted(*arguments):
        cut, box = cut_out(*arguments)
        sizes.append(cut.shape)
        return cut, box

    monkeypatch.setattr(module, "cut_out", noted)
    sheet_of(path, np.array([0.0, 0, 40_000, 200]), [])
    assert max(sizes[0]) < 2 * module.MOST_TALL


def test_a_picture_made_smaller_is_cut_at_the_same_place(tmp_path, monkeypatch):
    path = tmp_path / "large.png"
    picture = np.full((240, 300, 3), 255, dtype=np.uint8)
    picture[40:160, 60:120] = (20, 160, 60)
    Image.fromarray(picture).save(path)
    box = np.array([60.0, 40, 120, 160])
    hits = [Hit(str(path), tuple(box), 0.9, 0.8)]
    whole = pixels_of(sheet_of(path, box, hits))
    monkeypatch.setattr(reading, "KEPT_PIXELS", picture.shape[0] * picture.shape[1] // 4)
    smaller = pixels_of(sheet_of(path, box, hits))
    assert whole.shape == smaller.shape
    assert (np.abs(whole - smaller).max(axis=2) > 60).mean() < 0.05


def test_each_picture_is_read_once(tmp_path, monkeypatch):
    path = tmp_path / "picture.png"
    Image.new("RGB", (96, 64)).save(path)
    read = []

    def reading_of(place):
        read.append(place)
        return reading.read_picture(place)

    monkeypatch.setattr(rereading, "read_picture", reading_of)
    assert sheet_of(path, BOX, [Hit(str(path), tuple(BOX + shift), 0.9, 0.8) for shift in range(20)])
    assert read == [path]
