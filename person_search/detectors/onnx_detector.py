"""A detector of people in an ONNX file of anybody's, with a YAML beside it. Nothing here needs PyTorch."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from person_search.detectors.description import OUTPUTS, description_path, read_description
from person_search.detectors.detector import FoundBoxes
from person_search.detectors.layouts import people_of
from person_search.detectors.placing import FILLED, placed
from person_search.detectors.suppression import strongest_boxes
from person_search.networks.network import Picture
from pipeline.basics.errors import UserError
from pipeline.inference.onnx_session import open_session
from pipeline.inference.own_pictures.printable import printable

TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}
"""The number types of inputs that are fed, by ONNX Runtime's names."""
MOST_BOXES = 3000
"""How many boxes, the surest first, non-maximum suppression looks at."""


class OnnxDetector:
    """A detector in ONNX; a `PeopleDetector`."""

    def __init__(self, path: Path) -> None:
        """Load a detector, and try it on a grey picture.

        Args:
            path: the ONNX file; its YAML has the same stem.

        Raises:
            UserError: the YAML is missing or wrong, the file is no ONNX model, its input or outputs are not
                those of its layout, or ONNX Runtime is not installed.
            OSError: it cannot be read.
        """
        self._name = printable(path)
        self._description = read_description(path)
        self._session = open_session(path, self._name, "export it again")
        self._input, self._type, self._size = self._look_at_input()
        self._outputs = self._look_at_outputs()
        self.files = (path, description_path(path))
        parts = [file.read_bytes() for file in self.files]
        self.file_hash = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()
        self.detect(np.full((*self._size, 3), FILLED, dtype=np.uint8), 0.5)

    def detect(self, picture: Picture, least: float) -> FoundBoxes:
        """Find the people in a picture; see `PeopleDetector`."""
        values, placement = placed(picture, self._description, self._size)
        outputs = self._run(values.round() if self._type is np.uint8 else values)
        boxes, scores = people_of(outputs, self._description, self._size, self._name)
        sure = np.flatnonzero(scores >= least)
        sure = sure[np.argsort(-scores[sure], kind="stable")][:MOST_BOXES]
        boxes, scores = placement.in_picture(boxes[sure]), scores[sure]
        kept = strongest_boxes(boxes, scores, self._description.nms)
        return FoundBoxes(boxes[kept], scores[kept])

    def _run(self, values: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
        """Return the outputs by their roles."""
        fed = {self._input: np.ascontiguousarray(values, dtype=self._type)}
        try:
            arrays = self._session.run([*self._outputs.values()], fed)
        except Exception as error:  # ONNX Runtime's errors have no class in common
            (reason, *_) = str(error).splitlines() or [type(error).__name__]
            raise UserError(f"{self._name} cannot be run on one picture: {reason}") from None
        return dict(zip(self._outputs, arrays, strict=True))

    def _look_at_input(self) -> tuple[str, Any, tuple[int, int]]:
        """Return the input's name, its numbers' type, and (height, width). Raises `UserError`."""
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            names = ", ".join(one.name for one in inputs)
            raise UserError(f"{self._name} has {len(inputs)} inputs ({names}); it must have one, the picture")
        (own,) = inputs
        shape = list(own.shape)
        if len(shape) != 4 or (isinstance(shape[1], int) and shape[1] != 3):
            raise UserError(f"{self._name}: its input {own.name} is {shape}, not [1, 3, height, width]")
        if own.type not in TYPES:
            raise UserError(f"{self._name}: its input {own.name} is {own.type}, not {', '.join(TYPES)}")
        size = (self._side("height", shape[2]), self._side("width", shape[3]))
        return own.name, TYPES[own.type], size

    def _side(self, what: str, fixed: Any) -> int:
        said: int | None = getattr(self._description, what)
        if isinstance(fixed, int):
            if said not in (None, fixed):
                raise UserError(f"{self._name} has an input of {what} {fixed}, its YAML says {said}")
            return fixed
        if said is None:
            raise UserError(f"{self._name} takes pictures of any {what}: its YAML must say `{what}`")
        return said

    def _look_at_outputs(self) -> dict[str, str]:
        """Return the outputs' names by role. Raises `UserError` where one is missing."""
        there, given = [one.name for one in self._session.get_outputs()], self._description.outputs
        roles = OUTPUTS[self._description.layout]
        names = {role: given.get(role, there[0] if role == "output" else role) for role in roles}
        if self._description.layout == "boxes_scores" and ("labels" in given or "labels" in there):
            names["labels"] = given.get("labels", "labels")
        for role, name in names.items():
            if name not in there:
                raise UserError(
                    f"{self._name} has no output {name}, but {', '.join(there)}; name it in its YAML: "
                    f"`outputs: {{{role}: NAME}}`"
                )
        return names
