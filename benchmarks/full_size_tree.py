"""Trees with the real numbers of images, boxes and gallery entries, in the layouts of CUHK-SYSU and PRW.

Run as `python -m benchmarks.full_size_tree FOLDER`. The pictures have the real size and are cheap: some drawn
ones, linked under all names. Boxes and people are drawn at random, by a fixed seed. The numbers are those in
`pipeline/datasets/cuhk_sysu.py` and `prw.py`, and the releases' own.
"""

import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import click
import numpy as np
from PIL import Image, ImageFilter
from scipy.io import savemat

from benchmarks.matlab_writer import struct_array, text, whole_numbers, write_structs

SEED = 0
DRAWN = 16
"""Different pictures."""
CUHK_SIZE, PRW_SIZE = (800, 600), (1920, 1080)
CUHK_IMAGES, CUHK_TEST, CUHK_BOXES = 18184, 6978, 96143
CUHK_PEOPLE, CUHK_TRAIN_BOXES, CUHK_QUERIES = 5532, 15080, 2900
GALLERIES = (50, 100, 500, 1000, 2000, 4000)
POSITIVES = 3
"""Gallery images that show a query's person."""
SUBSETS = {"Occlusion": ("Occlusion1", 187), "Resolution": ("Test_Size", 290)}
"""Smaller files of queries: the variable, and how many queries."""
SUBSET_GALLERY = 100
PRW_TRAIN, PRW_TEST, PRW_QUERIES = 5704, 6112, 2057
PRW_BOXES, PRW_LABELLED, PRW_UNLABELLED_ID = 43110, 34304, -2
PRW_TRAIN_IDS = (*range(1, 479), *range(480, 484), 932)
PRW_TEST_PEOPLE = 450


def draw_pictures(folder: Path, names: list[str], size: tuple[int, int]) -> None:
    """Draw a few pictures of a size, and link them under all names."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(SEED)
    contents: list[bytes] = []
    for _ in range(DRAWN):
        coarse = rng.integers(0, 255, (size[1] // 12, size[0] // 12, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
        encoded = BytesIO()
        picture.filter(ImageFilter.GaussianBlur(1)).save(encoded, "JPEG", quality=92)
        contents.append(encoded.getvalue())
    first = [folder / name for name in names[:DRAWN]]
    for path, content in zip(first, contents, strict=True):
        path.write_bytes(content)
    for number, name in enumerate(names[DRAWN:]):
        os.link(first[number % DRAWN], folder / name)


def make_cuhk_sysu(root: Path) -> None:
    """Make a tree in CUHK-SYSU's layout."""
    rng = np.random.default_rng(SEED)
    names = [f"s{number}.jpg" for number in range(1, CUHK_IMAGES + 1)]
    draw_pictures(root / "Image" / "SSM", names, CUHK_SIZE)
    annotation = root / "annotation"
    (annotation / "test" / "train_test").mkdir(parents=True)
    counts = 1 + rng.multinomial(CUHK_BOXES - CUHK_IMAGES, np.full(CUHK_IMAGES, 1 / CUHK_IMAGES))
    boxes = [_boxes(rng, count, CUHK_SIZE) for count in counts]
    write_structs(
        annotation / "Images.mat",
        "Img",
        ("imname", "nAppear", "box"),
        (
            text(name)
            + whole_numbers([len(own)])
            + struct_array(
                {"idlocate": whole_numbers(box), "ishard": whole_numbers([0])} for box in own.tolist()
            )
            for name, own in zip(names, boxes, strict=True)
        ),
        CUHK_IMAGES,
    )
    order = rng.permutation(CUHK_IMAGES)
    test, train = np.sort(order[:CUHK_TEST]), np.sort(order[CUHK_TEST:])
    pool = np.empty((CUHK_TEST, 1), dtype=object)
    pool[:, 0] = [names[scene] for scene in test]
    savemat(annotation / "pool.mat", {"pool": pool}, do_compression=True)
    _write_train(annotation / "test" / "train_test" / "Train.mat", rng, names, boxes, train)
    shows = _queries(rng, boxes, test)
    for size in GALLERIES:
        path = annotation / "test" / "train_test" / f"TestG{size}.mat"
        elements = (_query(rng, names, boxes, test, person, size) for person in enumerate(shows))
        write_structs(path, f"TestG{size}", ("Query", "Gallery"), elements, CUHK_QUERIES)
        click.echo(f"{path}: {CUHK_QUERIES} galleries of {size}", err=True)
    (annotation / "test" / "subset").mkdir()
    for file, (variable, count) in SUBSETS.items():
        elements = (_query(rng, names, boxes, test, own, SUBSET_GALLERY) for own in enumerate(shows[:count]))
        write_structs(annotation / f"test/subset/{file}.mat", variable, ("Query", "Gallery"), elements, count)


def _boxes(rng: np.random.Generator, count: int, size: tuple[int, int]) -> np.ndarray:
    """Draw boxes `[count, 4]`, x y w h, inside a picture; no two of one picture begin at one place."""
    corner = rng.permutation((size[0] - 120) // 8)[:count] * 8
    tall = rng.integers(80, 260, count)
    return np.stack([corner, rng.integers(0, size[1] - 270, count), tall // 3, tall], axis=1)


def _write_train(
    path: Path, rng: np.random.Generator, names: list[str], boxes: list[np.ndarray], train: np.ndarray
) -> None:
    """Give the training people their boxes, each a different one."""
    places = [(scene, box) for scene in train for box in range(len(boxes[scene]))]
    chosen = rng.permutation(len(places))[:CUHK_TRAIN_BOXES]
    shares = np.array_split(chosen, CUHK_PEOPLE)
    people = np.empty((CUHK_PEOPLE, 1), dtype=object)
    for person, share in enumerate(shares):
        scene = np.empty((1, len(share)), dtype=[(name, object) for name in ("imname", "idlocate", "ishard")])
        for index, place in enumerate(share):
            image, box = places[place]
            scene[0, index] = (names[image], boxes[image][box][None].astype(np.uint16), np.zeros((1, 1)))
        people[person, 0] = {"idname": f"p{person + 1}", "nAppear": len(share), "scene": scene}
    savemat(path, {"Train": people}, do_compression=True)


def _queries(
    rng: np.random.Generator, boxes: list[np.ndarray], test: np.ndarray
) -> list[list[tuple[int, int]]]:
    """Return for each query the scenes and boxes that show its person, its own first."""
    places = [(int(scene), box) for scene in test for box in range(len(boxes[scene]))]
    chosen = rng.permutation(len(places))[: CUHK_QUERIES * (1 + POSITIVES)].reshape(CUHK_QUERIES, -1)
    return [[places[place] for place in own] for own in chosen]


def _query(
    rng: np.random.Generator,
    names: list[str],
    boxes: list[np.ndarray],
    test: np.ndarray,
    person: tuple[int, list[tuple[int, int]]],
    size: int,
) -> bytes:
    number, (own, *shown) = person
    query = _entry(names[own[0]], boxes[own[0]][own[1]].tolist()) | {"idname": text(f"q{number + 1}")}
    held = list({scene: box for scene, box in shown if scene != own[0]}.items())
    taken = {own[0], *(scene for scene, _box in held)}
    others = [scene for scene in rng.permutation(test)[: size + len(taken)] if scene not in taken]
    entries = [_entry(names[scene], boxes[scene][box].tolist()) for scene, box in held]
    entries += [_entry(names[scene], []) for scene in others[: size - len(held)]]
    return struct_array([query]) + struct_array(entries)


def _entry(name: str, box: list[int]) -> dict[str, bytes]:
    return {"imname": text(name), "idlocate": whole_numbers(box), "ishard": whole_numbers([0])}


def make_prw(root: Path) -> None:
    """Make a tree in PRW's layout."""
    rng = np.random.default_rng(SEED)
    names = [f"c{1 + n % 6}s1_{n:06}" for n in range(PRW_TRAIN + PRW_TEST)]
    draw_pictures(root / "frames", [f"{name}.jpg" for name in names], PRW_SIZE)
    (root / "annotations").mkdir()
    counts = 1 + rng.multinomial(PRW_BOXES - len(names), np.full(len(names), 1 / len(names)))
    several = np.flatnonzero(counts > 1)
    strangers = set(rng.permutation(several)[: PRW_BOXES - PRW_LABELLED].tolist())  # frames with one of them
    train, test = names[:PRW_TRAIN], names[PRW_TRAIN:]
    ids = {"train": np.array(PRW_TRAIN_IDS), "test": np.arange(1000, 1000 + PRW_TEST_PEOPLE)}
    lines: list[str] = []
    for number, (name, count) in enumerate(zip(names, counts, strict=True)):
        own = ids["train" if number < PRW_TRAIN else "test"]
        people = own[(number * 3 + np.arange(count)) % len(own)]
        if number in strangers:
            people[-1] = PRW_UNLABELLED_ID
        annotation = np.concatenate([people[:, None], _boxes(rng, count, PRW_SIZE)], axis=1).astype(float)
        savemat(root / "annotations" / f"{name}.jpg.mat", {"box_new": annotation})
        if number >= PRW_TRAIN and len(lines) < PRW_QUERIES:
            lines.append(" ".join(f"{value:g}" for value in annotation[0]) + f" {name}\r\n")
    for split, frames in (("train", train), ("test", test)):
        cells = np.empty((len(frames), 1), dtype=object)
        cells[:, 0] = frames
        savemat(root / f"frame_{split}.mat", {f"img_index_{split}": cells})
    savemat(root / "ID_train.mat", {"ID_train": ids["train"][None]})
    savemat(root / "ID_test.mat", {"ID_test2": ids["test"][None]})
    (root / "query_info.txt").write_bytes("".join(lines).encode())


LAYOUTS = {"cuhk_sysu": make_cuhk_sysu, "prw": make_prw}


def made(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield name and root of each tree below a folder; one that is not there yet is made."""
    for name, make in LAYOUTS.items():
        root = folder / name
        if not root.exists():
            beside = folder / f".{name}.part"
            make(beside)
            beside.rename(root)
        yield name, root


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def main(folder: Path) -> None:
    """Make both trees below FOLDER: 1 GB, a few minutes."""
    for name, root in made(folder):
        click.echo(f"{root}: {name} at its full size")


if __name__ == "__main__":
    main()
