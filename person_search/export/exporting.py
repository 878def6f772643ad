"""Writing a student as one ONNX file, by way of `torch.export`."""

import copy
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import ModelProto, helper
from torch import Tensor
from torch.export import Dim

from person_search.export.calibration import calibration_scenes
from person_search.export.half import halve
from person_search.export.layers import prepare_layers
from person_search.export.operators import TRANSLATIONS
from person_search.export.quantisation import Shown, quantised
from person_search.export.search_graph import OnePicture, PictureBatch, SearchGraph
from person_search.networks.exported_file import (
    COUNTS,
    FOUND,
    GIVEN_BOXES,
    GIVEN_EMBEDDINGS,
    GIVEN_PICTURES,
    METADATA,
    PICTURE,
    SCORES,
    ExportedFile,
    Precision,
    Task,
)
from person_search.networks.preprocessing import preprocessing_of
from pipeline.basics.atomic import write_atomically
from pipeline.basics.errors import UserError
from pipeline.basics.hashing import sha256_of
from pipeline.inference.own_pictures.printable import printable
from pipeline.models.heads import load_student
from pipeline.models.person_search import PersonSearchNetwork
from pipeline.models.qeeps import Qeeps

OPSET = 18
"""The version of ONNX' operators: the first that has all that is needed, so that most programs read it."""
PRODUCER = "person-search export"
EXAMPLE = (64, 96)
"""Height and width of the picture that `torch.export` traces; any do."""


def export_network(
    weights: Path,
    out: Path,
    *,
    precision: Precision = "float32",
    batch: bool = False,
    task: Task = "search",
    calibration: Path | None = None,
) -> ExportedFile:
    """Write a student as one ONNX file; see `exported_file.py` for its inputs and outputs.

    Args:
        weights: the student's weight file.
        out: the file to make.
        precision: what the heavy layers compute in.
        batch: whether it takes several pictures of one size.
        task: `search`, or `embed` for a file that embeds boxes and does not look for people.
        calibration: for `int8` alone, a prepared data set whose training scenes say what 8 bits are to cover.

    Returns:
        What the file says of itself.

    Raises:
        UserError: the weights or the data set are no good, or the network has no graph of one picture.
        OSError: the file cannot be written.
    """
    network = load_student(weights)
    if isinstance(network, Qeeps):
        raise UserError(
            f"{printable(weights)} is a query-guided network (head: qeeps): what it finds in a picture "
            "depends on the query's picture, so it has no graph of one picture; export another student"
        )
    options = network.options
    described = ExportedFile(
        head=options.head,
        embedding_dim=options.embedding_dim,
        preprocessing=preprocessing_of(options.short_side, options.long_side),
        weights_sha256=sha256_of(weights),
        precision=precision,
        batch=batch,
        task=task,
    )
    scenes = [] if calibration is None else calibration_scenes(calibration, network)
    model = as_onnx(network, described, scenes)
    write_atomically(out, model.SerializeToString(deterministic=True))
    return described


def as_onnx(
    network: PersonSearchNetwork, described: ExportedFile, scenes: Sequence[Shown] = ()
) -> ModelProto:
    """Return a student as an ONNX model.

    Args:
        network: an OIM student or a SeqNet, in evaluation mode, on the CPU; it is not changed.
        described: what the file is to hold.
        scenes: for `int8` alone, see `quantised`.
    """
    network = copy.deepcopy(network)
    prepare_layers(network)
    if described.precision == "float16":
        halve(network)
    model = _traced(PictureBatch(network) if described.batch else OnePicture(network))
    if described.task == "embed":
        given = [GIVEN_BOXES, *([GIVEN_PICTURES] if described.batch else [])]
        model = onnx.utils.Extractor(model).extract_model([PICTURE, *given], [GIVEN_EMBEDDINGS])
    else:
        _let_nothing_be_given(model)
    if described.precision == "int8":
        model = quantised(model, described, scenes)
    _describe(model, described)
    onnx.checker.check_model(model, full_check=True)
    return model


def _traced(graph: SearchGraph) -> ModelProto:
    """Trace a search and translate it to ONNX."""
    batch = isinstance(graph, PictureBatch)
    count, boxes = Dim("pictures"), Dim("given")
    sides = {0: Dim("height"), 1: Dim("width")}
    pixels, box = torch.zeros(*EXAMPLE, 3, dtype=torch.uint8), torch.tensor([4.0, 4.0, 40.0, 60.0])
    inputs: tuple[Tensor, ...] = (pixels, box.expand(2, 4))
    shapes: tuple[dict[int, Any], ...] = (sides, {0: boxes})
    names, outputs = [PICTURE, GIVEN_BOXES], [*FOUND, GIVEN_EMBEDDINGS]
    if batch:
        inputs = (torch.stack([pixels] * 2), inputs[1], torch.arange(2))
        shapes = ({0: count} | {place + 1: side for place, side in sides.items()}, {0: boxes}, {0: boxes})
        names, outputs = [*names, GIVEN_PICTURES], [*FOUND, COUNTS, GIVEN_EMBEDDINGS]
    with torch.no_grad(), _silent():
        program = torch.onnx.export(
            torch.export.export(graph.eval(), inputs, dynamic_shapes=shapes, strict=False),
            input_names=names,
            output_names=outputs,
            opset_version=OPSET,
            custom_translation_table=TRANSLATIONS,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    return program.model_proto


@contextmanager
def _silent() -> Iterator[None]:
    """Leave out what the exporter says about itself."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def _let_nothing_be_given(model: ModelProto) -> None:
    """Give the inputs about given boxes a default, so that a caller who has none may leave them out."""
    for value in model.graph.input:
        if value.name in (GIVEN_BOXES, GIVEN_PICTURES):
            kind = value.type.tensor_type
            shape = [0, *(dim.dim_value for dim in kind.shape.dim[1:])]
            model.graph.initializer.append(helper.make_tensor(value.name, kind.elem_type, shape, []))


def _describe(model: ModelProto, described: ExportedFile) -> None:
    """Say what the file is, name its sizes, and take out where its layers stand in the code here."""
    model.producer_name, model.producer_version, model.doc_string = PRODUCER, "", ""
    model.graph.name = PRODUCER
    del model.metadata_props[:]
    helper.set_model_props(model, {METADATA: described.as_text()})
    del model.graph.value_info[:]
    values = (*model.graph.input, *model.graph.output)
    for part in (model.graph, *model.graph.node, *model.graph.initializer, *values):
        part.doc_string = ""
        del part.metadata_props[:]
    for value in values:
        for dim, name in zip(value.type.tensor_type.shape.dim, _sizes(value.name, described), strict=True):
            if name is not None:
                dim.dim_param = name


def _sizes(name: str, described: ExportedFile) -> Sequence[str | None]:
    """Return the names of an input's or output's sizes, None for those that are fixed."""
    if name == PICTURE:
        return [*(["pictures"] if described.batch else []), "height", "width", None]
    if name in (GIVEN_BOXES, GIVEN_EMBEDDINGS):
        return ["given", None]
    if name == GIVEN_PICTURES:
        return ["given"]
    if name == COUNTS:
        return ["pictures"]
    first = ["pictures", None] if described.batch else ["people"]
    return first if name == SCORES else [*first, None]
