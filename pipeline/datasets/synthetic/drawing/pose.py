"""Poses: a small 3-D skeleton that walks or stands, is turned, and is projected to the picture.

In the body's frame x points to the person's left, y up and z forward, in body heights. In the picture x
points right and y down; depth points to the camera.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.datasets.synthetic.drawing.shapes import Points

HIP, SHOULDER, NECK, HEAD = 0.53, 0.815, 0.845, 0.925
HIP_WIDTH, SHOULDER_WIDTH = 0.05, 0.098
THIGH, SHANK, FOOT = 0.235, 0.245, 0.085
UPPER_ARM, FOREARM = 0.17, 0.155

ARM_HABITS = ("swing", "swing", "swing", "phone", "pockets", "strap")
BUILD_WIDTH = {"slim": 0.86, "average": 1.02, "heavy": 1.28}


@dataclass(frozen=True)
class Pose:
    """What changes from picture to picture, apart from place and size.

    Attributes:
        yaw: direction that the person faces, radians; 0 is to the camera, pi / 2 to the picture's right.
        phase: phase of the step, radians.
        stride: largest angle of the thigh, radians.
        lean: forward lean, radians.
        arms: one of `ARM_HABITS`.
        head_turn: angle between head and body, radians.
    """

    yaw: float
    phase: float
    stride: float
    lean: float
    arms: str
    head_turn: float


def draw_pose(generator: np.random.Generator) -> Pose:
    """Draw the pose of a person who stands or, more often, walks."""
    walks = generator.random() < 0.75
    return Pose(
        yaw=float(generator.uniform(-math.pi, math.pi)),
        phase=float(generator.uniform(0, 2 * math.pi)),
        stride=float(generator.uniform(0.28, 0.52) if walks else generator.uniform(0.02, 0.12)),
        lean=float(generator.uniform(0.0, 0.09)),
        arms=ARM_HABITS[int(generator.integers(len(ARM_HABITS)))],
        head_turn=float(generator.normal(0.0, 0.3)),
    )


def draw_mannequin_pose(generator: np.random.Generator) -> Pose:
    """Draw a stiff pose that faces the street."""
    return Pose(
        yaw=float(generator.uniform(-0.9, 0.9)),
        phase=float(generator.uniform(0, 2 * math.pi)),
        stride=float(generator.uniform(0.0, 0.12)),
        lean=0.0,
        arms="swing" if generator.random() < 0.6 else "pockets",
        head_turn=0.0,
    )


class Skeleton:
    """The joints of one person, projected.

    Joints of limbs have names that end in `-` (the person's right) or `+` (the person's left).
    """

    def __init__(self, pose: Pose, build: str, foot: tuple[float, float], height: float, tilt: float) -> None:
        """Place the joints.

        Args:
            pose: how the person stands.
            build: a word of `BUILD_WIDTH`.
            foot: x and y in pixels of the ground point below the body.
            height: height of the body in pixels.
            tilt: how far a point moves down in the picture, as a fraction of its depth.
        """
        self.width = BUILD_WIDTH[build]
        self.height = height
        self.yaw = pose.yaw
        joints = _joints(pose, self.width)
        self._index = {name: index for index, name in enumerate(joints)}
        body = np.array(list(joints.values()))
        body[:, 2] += math.tan(pose.lean) * np.maximum(body[:, 1] - HIP, 0.0)
        body[:, 1] -= min(body[self._index[name], 1] for name in ("heel-", "heel+", "toe-", "toe+"))
        cosine, sine = math.cos(pose.yaw), math.sin(pose.yaw)
        across = body[:, 0] * cosine + body[:, 2] * sine
        self._depth = body[:, 2] * cosine - body[:, 0] * sine
        self._screen = np.stack(
            [foot[0] + height * across, foot[1] - height * (body[:, 1] - tilt * self._depth)], axis=1
        )

    def __getitem__(self, joint: str) -> Points:
        """Return the joint's place in the picture, `[2]` pixels."""
        screen: npt.NDArray[np.float64] = self._screen[self._index[joint]]
        return screen

    def depth(self, joint: str) -> float:
        """Return how far the joint is in front of the body's axis, in body heights."""
        return float(self._depth[self._index[joint]])

    def half_width(self, across: float, deep: float) -> float:
        """Return the visible half width, in pixels, of a body part with two half axes in body heights."""
        seen = math.hypot(across * math.cos(self.yaw), deep * math.sin(self.yaw))
        return seen * self.height * self.width


def _joints(pose: Pose, width: float) -> dict[str, tuple[float, float, float]]:
    """Return the joints in the body's frame, before the lean and before the feet touch the ground."""
    joints = {
        "hip": (0.0, HIP, 0.0),
        "chest": (0.0, 0.7, 0.0),
        "neck": (0.0, NECK, 0.0),
        "head": (0.0, HEAD, 0.012),
        "back": (0.0, 0.7, -0.085 * width),
    }
    for side, sign in (("-", -1.0), ("+", 1.0)):
        swing = math.sin(pose.phase) * sign
        thigh = pose.stride * swing
        bend = pose.stride * (
            0.12 + 1.15 * max(0.0, math.cos(pose.phase) * sign) ** 2 + 0.35 * max(0.0, -swing)
        )
        joints |= _leg(side, sign, thigh, bend)
        joints |= _arm(side, sign, pose, -0.9 * thigh, width)
    return joints


def _leg(side: str, sign: float, thigh: float, bend: float) -> dict[str, tuple[float, float, float]]:
    x, knee_y, knee_z = sign * HIP_WIDTH, HIP - THIGH * math.cos(thigh), THIGH * math.sin(thigh)
    shank = thigh - bend
    ankle_y, ankle_z = knee_y - SHANK * math.cos(shank), knee_z + SHANK * math.sin(shank)
    pitch = 0.5 * shank
    reach = FOOT * math.cos(pitch), FOOT * math.sin(pitch) - 0.022
    return {
        f"hip{side}": (x, HIP, 0.0),
        f"knee{side}": (x, knee_y, knee_z),
        f"ankle{side}": (x * 0.9, ankle_y, ankle_z),
        f"heel{side}": (x * 0.9, ankle_y - 0.03, ankle_z - 0.012),
        f"toe{side}": (x * 1.15, ankle_y + reach[1] - 0.008, ankle_z + reach[0]),
    }


def _arm(
    side: str, sign: float, pose: Pose, swing: float, width: float
) -> dict[str, tuple[float, float, float]]:
    raised, elbow_bend, outward, inward = 0.8 * swing, 0.25 + 0.5 * max(0.0, swing), 0.14, 0.0
    if pose.arms == "pockets":
        raised, elbow_bend, outward, inward = -0.3, 0.75, 0.32, 0.35
    elif pose.arms == "phone" and side == "+":
        raised, elbow_bend, outward, inward = 0.35, 1.75, 0.12, 0.45
    elif pose.arms == "strap" and side == "-":
        raised, elbow_bend, outward, inward = 0.1, 2.3, 0.3, 0.25
    x = sign * SHOULDER_WIDTH * width
    elbow_x = x + sign * UPPER_ARM * math.sin(outward)
    reach = UPPER_ARM * math.cos(outward)
    elbow_y, elbow_z = SHOULDER - 0.01 - reach * math.cos(raised), reach * math.sin(raised)
    forearm = raised + elbow_bend
    wrist_x = elbow_x - sign * FOREARM * math.sin(inward)
    reach = FOREARM * math.cos(inward)
    wrist_y, wrist_z = elbow_y - reach * math.cos(forearm), elbow_z + reach * math.sin(forearm)
    return {
        f"shoulder{side}": (x, SHOULDER - 0.01, 0.0),
        f"elbow{side}": (elbow_x, elbow_y, elbow_z),
        f"wrist{side}": (wrist_x, wrist_y, wrist_z),
    }
