"""Loading a detector from whatever kind of file it is in. Nothing is imported that the kind does not need."""

from pathlib import Path

from person_search.detectors.description import description_path
from person_search.detectors.detector import PeopleDetector
from person_search.extras import own
from person_search.networks.exported_file import METADATA
from person_search.networks.loading import ONNX, ONNX_ENDING
from pipeline.basics.errors import UserError
from pipeline.basics.file_kinds import SAFETENSORS, check_is_file, kind_of
from pipeline.inference.onnx_session import open_session
from pipeline.inference.own_pictures.printable import printable

IN_TORCH = "person_search.detectors.torch_detector"
EXPORTED = "person_search.detectors.exported_detector"
IN_ONNX = "person_search.detectors.onnx_detector"


def load_detector(path: Path) -> PeopleDetector:
    """Load a detector.

    Args:
        path: a weight file of the pipeline (a detector, or a student of any head), a file of `person-search
            export`, or an ONNX detector of anybody's with a YAML beside it; the content says which it is.

    Raises:
        UserError: there is no such file, it holds no detector, or what its kind needs is not installed.
        OSError: the system does not let it be read.
    """
    check_is_file(path, f"no detector at {printable(path)}")
    kind = kind_of(path)
    if kind == SAFETENSORS:
        in_torch: PeopleDetector = own(IN_TORCH, "pipeline").TorchDetector(path)
        return in_torch
    if kind == ONNX or path.suffix.lower() == ONNX_ENDING:
        if not description_path(path).exists() and _is_exported(path):
            exported: PeopleDetector = own(EXPORTED, "onnx").ExportedDetector(path)
            return exported
        in_onnx: PeopleDetector = own(IN_ONNX, "onnx").OnnxDetector(path)
        return in_onnx
    raise UserError(
        f"{printable(path)} is {kind or 'of an unknown kind'}; give weights of a detector or a student "
        f"(.safetensors), or an ONNX model ({ONNX_ENDING})"
    )


def _is_exported(path: Path) -> bool:
    session = open_session(path, printable(path), "get it again from where it came from")
    return METADATA in session.get_modelmeta().custom_metadata_map
