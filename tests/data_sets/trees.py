"""Small CUHK-SYSU and PRW trees, written from plain values, and edits of the fixtures' trees."""

import shutil
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.io import loadmat, savemat

CASES = Path(__file__).parents[1] / "fixtures" / "protocol-cases"
SIZE = (120, 100)
EMPTY = np.zeros((1, 0))

Box = Sequence[float]


def copy_case(case: str, layout: str, to: Path) -> Path:
    """Copy one fixture tree (`clean`, `quirks`; `cuhk`, `prw`), to be broken."""
    return Path(shutil.copytree(CASES / case / layout, to / layout))


def jpeg(size: tuple[int, int] = SIZE) -> bytes:
    content = BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise).save(content, "JPEG")
    return content.getvalue()


def struct_array(elements: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Return a 1 x N MATLAB struct array; with N = 1 what MATLAB programs read as a plain struct."""
    array = np.empty((1, len(elements)), dtype=[(name, object) for name in elements[0]])
    for index, element in enumerate(elements):
        array[0, index] = tuple(element.values())
    return array


def cell(values: Sequence[Any]) -> np.ndarray:
    array = np.empty((len(values), 1), dtype=object)
    array[:, 0] = list(values)
    return array


def numbers(box: Box | None, dtype: type = np.uint8) -> np.ndarray:
    return EMPTY if box is None else np.array([box], dtype=dtype)


def appearance(name: str, box: Box | None, dtype: type = np.uint8, **more: Any) -> dict[str, Any]:
    return {"imname": name, "idlocate": numbers(box, dtype), "ishard": np.zeros((1, 1)), **more}


def test_query(
    person: str, name: str, box: Box, gallery: Sequence[tuple[str, Box | None]], dtype: type = np.uint8
) -> dict[str, Any]:
    query = struct_array([appearance(name, box, dtype, idname=person)])
    entries = struct_array([appearance(image, held, dtype) for image, held in gallery])
    return {"Query": query, "Gallery": entries}


test_query.__test__ = False  # type: ignore[attr-defined]  # a builder, though named as the file's TestG is


def write_cuhk(
    root: Path,
    images: Mapping[str, Sequence[Box]],
    pool: Sequence[str],
    train: Sequence[tuple[str, Sequence[tuple[str, Box | None]]]],
    protocols: Mapping[str, Sequence[Mapping[str, Any]]],
) -> Path:
    """Write a CUHK-SYSU tree; `protocols` by file name: `{"TestG50": [test_query(...), ...]}`."""
    tests = root / "annotation" / "test" / "train_test"
    tests.mkdir(parents=True)
    (root / "Image" / "SSM").mkdir(parents=True)
    elements = []
    for name, boxes in images.items():
        (root / "Image" / "SSM" / name.strip()).write_bytes(jpeg())
        entries = [{"idlocate": numbers(box), "ishard": np.zeros((1, 1))} for box in boxes]
        held = struct_array(entries) if entries else np.zeros((0, 0))
        elements.append({"imname": name, "nAppear": np.array([[len(entries)]]), "box": held})
    savemat(root / "annotation" / "Images.mat", {"Img": struct_array(elements)})
    savemat(root / "annotation" / "pool.mat", {"pool": cell(list(pool))})
    people = [
        struct_array(
            [
                {
                    "idname": person,
                    "nAppear": np.array([[len(scenes)]]),
                    "scene": struct_array([appearance(name, box) for name, box in scenes]),
                }
            ]
        )
        for person, scenes in train
    ]
    savemat(tests / "Train.mat", {"Train": cell(people)})
    for name, queries in protocols.items():
        savemat(tests / f"{name}.mat", {name: struct_array(queries)}, do_compression=True)
    return root


def small_cuhk(root: Path, **changes: Any) -> Path:
    """Write a tree of two training and three test images, with one training person and one query."""
    values: dict[str, Any] = {
        "images": {
            "s1.jpg": [(10, 10, 20, 40), (50, 10, 20, 40)],
            "s2.jpg": [(12, 10, 20, 40)],
            "s3.jpg": [(20, 20, 30, 60)],
            "s4.jpg": [(25, 20, 30, 60), (70, 20, 30, 60)],
            "s5.jpg": [(5, 5, 20, 50)],
        },
        "pool": ["s3.jpg", "s4.jpg", "s5.jpg"],
        "train": [("p1", [("s1.jpg", (10, 10, 20, 40)), ("s2.jpg", (12, 10, 20, 40))])],
        "protocols": {
            "TestG50": [
                test_query("q1", "s3.jpg", (20, 20, 30, 60), [("s4.jpg", (25, 20, 30, 60)), ("s5.jpg", None)])
            ]
        },
    }
    return write_cuhk(root, **{**values, **changes})


def write_prw(
    root: Path,
    frames: Mapping[str, Mapping[str, Sequence[Sequence[float]]]],
    queries: str,
    key: str = "box_new",
    dtype: type = np.float64,
) -> Path:
    """Write a PRW tree: `frames` by split and name (without `.jpg`), entries of id x y w h."""
    for folder in ("frames", "annotations"):
        (root / folder).mkdir(parents=True)
    for split, variable in (("train", "ID_train"), ("test", "ID_test2")):
        listed = frames[split]
        savemat(root / f"frame_{split}.mat", {f"img_index_{split}": cell(list(listed))})
        ids = sorted({int(entry[0]) for entries in listed.values() for entry in entries if entry[0] >= 0})
        savemat(root / f"ID_{split}.mat", {variable: np.array([ids])})
        for name, entries in listed.items():
            for folder in ("frames", "annotations"):
                (root / folder / name).parent.mkdir(exist_ok=True)
            (root / "frames" / f"{name}.jpg").write_bytes(jpeg())
            savemat(
                root / "annotations" / f"{name}.jpg.mat", {key: np.array(entries, dtype=dtype).reshape(-1, 5)}
            )
    (root / "query_info.txt").write_bytes(queries.encode())
    return root


def small_prw(root: Path, **changes: Any) -> Path:
    """Write a tree of two training and three test frames, with training ids 1, 3 and 932 and one query."""
    values: dict[str, Any] = {
        "frames": {
            "train": {
                "c1s1_000001": [(932, 10, 10, 20, 40), (-2, 50, 10, 20, 40)],
                "c2s1_000002": [(3, 10, 10, 20, 40), (1, 50, 10, 20, 40)],
            },
            "test": {
                "c1s1_000003": [(7, 10, 10, 20, 40)],
                "c1s1_000004": [(7, 12, 10, 20, 40), (-2, 60, 10, 20, 40)],
                "c3s1_000005": [(7, 14, 10, 20, 40), (9, 50, 10, 20, 40)],
            },
        },
        "queries": "7 10.0 10.0 20.0 40.0 c1s1_000003\r\n",
    }
    return write_prw(root, **{**values, **changes})


def rewrite(path: Path, **variables: Any) -> None:
    """Replace a MATLAB file's content."""
    savemat(path, variables)


def variable(path: Path, name: str) -> Any:
    return loadmat(path)[name]
