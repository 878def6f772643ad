"""Drawing the picture of a planned scene."""

import numpy as np
from PIL import Image

from pipeline.datasets.synthetic.drawing.camera import View, camera_of, expose
from pipeline.datasets.synthetic.drawing.painter import paint
from pipeline.datasets.synthetic.drawing.plan import ScenePlan
from pipeline.datasets.synthetic.drawing.street import draw_street


def draw_scene(plan: ScenePlan, camera: int, view: View, generator: np.random.Generator) -> Image.Image:
    """Draw a scene, far to near, and expose it.

    Args:
        plan: the people and things, with their places.
        camera: number of the camera.
        view: the camera's view.
        generator: the scene's generator, for street, light and noise.
    """
    lens = camera_of(camera, view.height, generator)
    canvas = draw_street(view, generator)
    things = [(actor.stand.y, actor.parts) for actor in plan.people]
    things += [(prop.ground, prop.parts) for prop in plan.props]
    for ground, parts in sorted(things, key=lambda thing: thing[0]):
        paint(canvas, parts, lens.light, view.distance(ground), ground)
    return expose(canvas, lens, generator)
