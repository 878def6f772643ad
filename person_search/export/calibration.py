"""The scenes that say which range of activations 8 bits are to cover."""

from pathlib import Path

import numpy as np

from person_search.export.quantisation import Shown
from pipeline.basics.errors import UserError
from pipeline.batches.pictures import decode, scene_floats
from pipeline.inference.own_pictures.printable import printable
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.scenes.prepared import open_prepared

SCENES = 64
"""At most."""
SPLIT = "train"


def calibration_scenes(root: Path, network: PersonSearchNetwork, most: int = SCENES) -> list[Shown]:
    """Return training scenes that show people, spread evenly over the split, in which the network finds some.

    Args:
        root: a prepared data set.
        network: the student, in evaluation mode, on the CPU.
        most: how many scenes are looked at.

    Raises:
        UserError: the data set is missing or damaged, or the network finds nobody in its scenes.
    """
    data = open_prepared(root)
    split, images = data.split(SPLIT), data.images(SPLIT)
    peopled = [place for place, scene in enumerate(split.scenes) if len(scene.boxes)]
    chosen = np.unique(np.linspace(0, len(peopled) - 1, min(most, len(peopled))).astype(int))
    shown = []
    for place in (peopled[number] for number in chosen):
        pixels = decode(images[place])
        if len(network.detect([scene_floats(pixels)])[0]["boxes"]):
            boxes = split.scenes[place].boxes.astype(np.float32)
            shown.append((pixels.permute(1, 2, 0).contiguous().numpy(), boxes))
    if not shown:
        raise UserError(
            f"--calibration {printable(root)}: the student finds nobody in {len(chosen)} training scenes, "
            "so that nothing can be said of what 8 bits are to cover; train it longer, or leave out --int8"
        )
    return shown
