"""The cameras: each has its own view, light, colour cast, blur and noise."""

import io
import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from pipeline.datasets.synthetic.drawing.cloth import scaled
from pipeline.datasets.synthetic.drawing.painter import Light

_GOLDEN = 0.618034
"""The golden ratio's fraction: its multiples, modulo 1, spread any number of cameras evenly over a range."""

PERSON_METRES = 1.7
"""Height of an average person in metres."""


@dataclass(frozen=True)
class View:
    """The perspective: a person's height in the picture grows linearly from the horizon down to the feet's y.

    Attributes:
        horizon: y of the horizon in pixels.
        rise: height of an average person, divided by the distance from the horizon to the feet.
        tilt: how steeply the camera looks down, as in `Stand`.
        nearest: y of the nearest feet in pixels.
        farthest: y of the farthest feet in pixels.
        width: width of the picture in pixels.
        height: height of the picture in pixels.
    """

    horizon: float
    rise: float
    tilt: float
    nearest: float
    farthest: float
    width: int
    height: int

    def person_height(self, ground: float) -> float:
        """Return the height in pixels of an average person whose feet are at y = `ground`."""
        return (ground - self.horizon) * self.rise

    def metre(self, ground: float) -> float:
        """Return the length in pixels of a metre at y = `ground`."""
        return self.person_height(ground) / PERSON_METRES

    def distance(self, ground: float) -> float:
        """Return how far away y = `ground` is: from 0, the nearest place of people, to 1, the farthest."""
        return min(1.0, max(0.0, (self.nearest - ground) / (self.nearest - self.farthest)))


@dataclass(frozen=True)
class Camera:
    """The lens and sensor of one scene.

    Attributes:
        gains: factors of red, green and blue.
        gamma: exponent of the brightness; above 1 darkens.
        contrast: factor of the contrast; 1 changes nothing.
        blur: standard deviation of the blur in pixels.
        noise: standard deviation of the noise in grey levels.
        vignette: darkening of the corners, 0 to 1.
        light: the light of the scene.
    """

    gains: tuple[float, float, float]
    gamma: float
    contrast: float
    blur: float
    noise: float
    vignette: float
    light: Light


def view_of(number: int, width: int, height: int, person_height: tuple[float, float]) -> View:
    """Return the view of a camera.

    Args:
        number: number of the camera, from 0.
        width: width of the picture in pixels.
        height: height of the picture in pixels.
        person_height: smallest and largest height of a person, as fractions of the picture's height.
    """
    spread = (number * _GOLDEN) % 1.0
    horizon = height * (0.15 + 0.09 * spread)
    nearest = height * (0.97 + 0.05 * ((number * _GOLDEN * 3) % 1.0))
    rise = person_height[1] * height / (nearest - horizon)
    farthest = horizon + person_height[0] * height / rise
    return View(horizon, rise, 0.1 + 0.12 * (1 - spread), nearest, farthest, width, height)


def camera_of(number: int, height: int, generator: np.random.Generator) -> Camera:
    """Return a camera in one scene: its fixed properties, with small random changes.

    Args:
        number: number of the camera, from 0.
        height: height of the picture in pixels; the blur is proportional to it.
        generator: the scene's generator.
    """
    character = np.random.default_rng([number, 6])
    warmth = 0.11 * math.sin(2 * math.pi * ((number * _GOLDEN) % 1.0)) + generator.normal(0, 0.02)
    green = 0.05 * math.cos(2 * math.pi * ((number * _GOLDEN * 2) % 1.0)) + generator.normal(0, 0.012)
    exposure = float(character.uniform(0.88, 1.18)) * float(generator.uniform(0.9, 1.08))
    sun = (number * _GOLDEN + 0.2) % 1.0
    return Camera(
        gains=(exposure * (1 + warmth), exposure * (1 + green), exposure * (1 - warmth)),
        gamma=float(character.uniform(0.8, 1.15)) * float(generator.uniform(0.95, 1.05)),
        contrast=float(character.uniform(0.82, 1.12)),
        blur=height / 192 * float(character.uniform(0.2, 0.65)),
        noise=float(character.uniform(1.5, 5.0)),
        vignette=float(character.uniform(0.05, 0.35)),
        light=Light(
            direction=float(generator.choice([-1.0, 1.0]) * generator.uniform(0.3, 1.0)),
            sharpness=sun,
            haze=(176, 186, 198),
            haze_strength=float(character.uniform(0.08, 0.3)),
        ),
    )


def expose(canvas: Image.Image, camera: Camera, generator: np.random.Generator) -> Image.Image:
    """Return the picture as the camera records it: with blur, colour cast, vignette and noise."""
    blurred = canvas.filter(ImageFilter.BoxBlur((math.sqrt(1 + 12 * camera.blur**2) - 1) / 2))
    tones = np.linspace(0.0, 1.0, 256) ** camera.gamma
    tones = (tones - 0.5) * camera.contrast + 0.5
    table = np.clip(np.concatenate([255 * gain * tones for gain in camera.gains]), 0, 255).round()
    width, height = canvas.size
    across = np.linspace(-1, 1, width, dtype=np.float32) ** 2
    down = np.linspace(-1, 1, height, dtype=np.float32) ** 2
    fall = 1 - np.float32(camera.vignette / 2) * (across[None, :] + down[:, None])
    pixels = scaled(blurred.point(table.astype(int).tolist()), fall)
    pixels += _noise(generator, height, width, camera.noise)
    np.clip(pixels, 0, 255, out=pixels)
    return Image.fromarray(pixels.astype(np.uint8))


@cache
def _white_noise(size: int) -> npt.NDArray[np.float32]:
    """Return `size` independent normal numbers, the same in every process."""
    return np.random.default_rng(1).standard_normal(size, dtype=np.float32)


def _noise(
    generator: np.random.Generator, height: int, width: int, deviation: float
) -> npt.NDArray[np.float32]:
    """Return `[height, width, 3]` noise: a random stretch of a fixed sequence, for speed."""
    count = 3 * height * width
    sequence = _white_noise(4 * count)
    first = int(generator.integers(3 * count))
    return (np.float32(deviation) * sequence[first : first + count]).reshape(height, width, 3)


def encode(picture: Image.Image, quality: int) -> bytes:
    """Return the picture as JPEG."""
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=quality)
    return buffer.getvalue()
