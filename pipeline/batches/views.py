"""Views of training scenes for a table by box (ours): the same picture in other colours.

The teacher has embedded every box in every view, and the student sees a scene in one of these views. So both
have seen the same picture, which teaches more of what the teacher does than one row a box: "a good teacher is
patient and consistent" (Beyer et al., CVPR 2022), here computed beforehand. A view of a scene is a matrix
`[3, 4]` on red, green, blue and 1, and the table's file holds all of them.
"""

from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import Field, model_validator
from torch import Tensor
from torchvision.transforms import v2

from pipeline.basics.options import Options
from pipeline.batches.pictures import decode
from pipeline.scenes.shards import EncodedPictures
from pipeline.scenes.views import PLAIN_VIEW, Views

TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
"""From red, green and blue to luma and two colour differences, those of NTSC. Grey has no difference."""
MIDDLE_GREY = 0.5
WHITE = 255


class ViewOptions(Options):
    """How the further views of a table differ from the pictures.

    Attributes:
        count: how many further views there are of each scene.
        brightness: largest relative change of the brightness, 0..1.
        contrast: largest relative change of the distance from middle grey, 0..1.
        saturation: largest relative change of the saturation, 0..1.
        hue: largest turn of the hue, as a fraction of a whole one, 0..0.5.
        seed: of the draws.
    """

    count: int = Field(gt=0)
    brightness: float = Field(default=0.0, ge=0, le=1)
    contrast: float = Field(default=0.0, ge=0, le=1)
    saturation: float = Field(default=0.0, ge=0, le=1)
    hue: float = Field(default=0.0, ge=0, le=0.5)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _something_differs(self) -> "ViewOptions":
        if not any((self.brightness, self.contrast, self.saturation, self.hue)):
            raise ValueError("views differ in nothing; set brightness, contrast, saturation or hue")
        return self


def draw_views(options: ViewOptions, scenes: int) -> Views:
    """Draw the views of all scenes: `[1 + count, scenes, 3, 4]`; the first is the picture itself."""
    rng = np.random.default_rng(options.seed)
    largest = (options.brightness, options.contrast, options.saturation, options.hue)
    drawn = rng.uniform(-1, 1, size=(options.count, scenes, len(largest))) * largest
    views = np.tile(PLAIN_VIEW, (1 + options.count, scenes, 1, 1))
    for view, scene in np.ndindex(options.count, scenes):
        views[1 + view, scene] = colour_matrix(*drawn[view, scene])
    return views


def colour_matrix(
    brightness: float, contrast: float, saturation: float, hue: float
) -> npt.NDArray[np.float32]:
    """Return the matrix `[3, 4]` of a change of colours, for pictures in 0..1; of zeros it changes nothing.

    Saturation and hue change the colour differences, then contrast and brightness everything.

    Args:
        brightness: relative change, -1..1.
        contrast: relative change of the distance from middle grey, -1..1.
        saturation: relative change, -1..1.
        hue: turn of the colour differences, as a fraction of a whole one, -0.5..0.5.
    """
    stretch, angle = 1 + saturation, 2 * np.pi * hue
    turned = np.eye(3)
    turned[1:, 1:] = stretch * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    colours = np.linalg.solve(TO_YIQ, turned @ TO_YIQ)
    shift = np.full((3, 1), -contrast * MIDDLE_GREY)
    return ((1 + brightness) * np.hstack([(1 + contrast) * colours, shift])).astype(np.float32)


def seen_in(view: npt.NDArray[np.float32], picture: Tensor) -> Tensor:
    """Return a picture, uint8 `[3, H, W]`, in a view `[3, 4]`; values beyond 0..255 are cut off."""
    if np.array_equal(view, PLAIN_VIEW):
        return picture
    matrix = view.astype(float)
    matrix[:, 3] *= WHITE
    # Pillow's own sums do not depend on the number of threads.
    changed = as_image(picture).convert("RGB", tuple(matrix.ravel()))
    seen: Tensor = v2.functional.pil_to_tensor(changed)
    return seen


def as_image(picture: Tensor) -> Image.Image:
    """Return a picture, uint8 `[3, H, W]`, as Pillow's."""
    return Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy())


def drawn_view(seed: int, views: Views) -> int:
    """Return in which view a draw of a scene shows it; `seed` is that of the draw's random changes."""
    # A generator of its own: all other changes are as without views.
    return int(np.random.default_rng(seed).integers(len(views)))


class ViewedPictures:
    """The pictures of scenes, each in a view, encoded without loss (as BMP).

    Args:
        images: the scenes' pictures.
        views: `[S, 3, 4]` the view of each scene.
    """

    def __init__(self, images: EncodedPictures, views: npt.NDArray[np.float32]) -> None:
        self._images, self._views = images, views

    def __getitem__(self, index: int) -> npt.NDArray[np.uint8]:
        """Return the bytes `[n]` of picture `index`. Raises what `images` raises."""
        encoded = BytesIO()
        as_image(seen_in(self._views[index], decode(self._images[index]))).save(encoded, "BMP")
        return np.frombuffer(encoded.getvalue(), dtype=np.uint8)
