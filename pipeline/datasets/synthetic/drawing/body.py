"""A whole person or mannequin as a list of parts, far to near."""

from dataclasses import dataclass, replace

from pipeline.datasets.synthetic.drawing.appearance import Appearance
from pipeline.datasets.synthetic.drawing.bags import bag_parts
from pipeline.datasets.synthetic.drawing.garments import arm_parts, hip_parts, leg_parts, torso_parts
from pipeline.datasets.synthetic.drawing.head import head_parts
from pipeline.datasets.synthetic.drawing.palette import Colour, Palette, mannequin_palette, palette_of, shaded
from pipeline.datasets.synthetic.drawing.pose import Pose, Skeleton
from pipeline.datasets.synthetic.drawing.shapes import Part, ellipse, rectangle

ARM_BEHIND = -0.02
"""Depth in body heights; an arm whose elbow or wrist lies behind it is drawn behind the trunk."""

STRIDE_LIMIT = {"skirt": 0.38, "long skirt": 0.24}
"""Largest angle of the thigh, radians, that a skirt allows."""


@dataclass(frozen=True)
class Stand:
    """The place and size of a person or mannequin.

    Attributes:
        x: x of the ground point below the body in pixels.
        y: y of that point in pixels.
        height: height of the body in pixels.
        tilt: how steeply the camera looks down, 0 to about 0.3.
    """

    x: float
    y: float
    height: float
    tilt: float


def person_parts(appearance: Appearance, pose: Pose, stand: Stand) -> list[Part]:
    """Return the parts of a person."""
    return _body_parts(appearance, palette_of(appearance), pose, stand)


def mannequin_parts(appearance: Appearance, colour: Colour, pose: Pose, stand: Stand) -> list[Part]:
    """Return the parts of a mannequin: a body of one colour without a face, on a base plate with a rod.

    Args:
        appearance: gives the body and the cut of the clothes.
        colour: the colour of everything.
        pose: how it stands.
        stand: where it stands.
    """
    base = ellipse(stand.x, stand.y, 0.13 * stand.height, 0.035 * stand.height)
    rod = rectangle(
        stand.x - 0.01 * stand.height, stand.y - 0.3 * stand.height, stand.x + 0.01 * stand.height, stand.y
    )
    steel = (116, 118, 122)
    body = _body_parts(appearance, mannequin_palette(colour), pose, stand)
    return [Part(base, shaded(steel, 0.8)), Part(rod, steel), *body]


def _body_parts(appearance: Appearance, palette: Palette, pose: Pose, stand: Stand) -> list[Part]:
    if appearance.bottom in STRIDE_LIMIT:
        pose = replace(pose, stride=min(pose.stride, STRIDE_LIMIT[appearance.bottom]))
    skeleton = Skeleton(pose, appearance.build, (stand.x, stand.y), stand.height, stand.tilt)
    far_bag, near_bag = bag_parts(skeleton, palette, appearance.bag) if palette.face else ([], [])
    far_arms: list[Part] = []
    near_arms: list[Part] = []
    for side in sorted("-+", key=lambda side: skeleton.depth(f"elbow{side}")):
        deepest = min(skeleton.depth(f"elbow{side}"), skeleton.depth(f"wrist{side}"))
        arm = arm_parts(skeleton, palette, side, appearance.top)
        (far_arms if deepest < ARM_BEHIND else near_arms).extend(arm)
    legs: list[Part] = []
    for side in sorted("-+", key=lambda side: skeleton.depth(f"knee{side}") + skeleton.depth(f"ankle{side}")):
        legs.extend(leg_parts(skeleton, palette, side, appearance.bottom))
    hips = hip_parts(skeleton, palette, appearance.bottom)
    torso = torso_parts(skeleton, palette, appearance.top, appearance.pattern)
    head = head_parts(skeleton, palette, appearance.hair, appearance.headwear, pose.head_turn)
    return [*far_bag, *far_arms, *legs, *hips, *torso, *head, *near_bag, *near_arms]
