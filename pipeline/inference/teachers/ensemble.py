"""Kind `ensemble`: a folder of crop models of any kind, taken in the order of their names."""

from pathlib import Path

import torch

from pipeline.basics.errors import UserError
from pipeline.inference.teachers.crop_teacher import CropModel, OwnCropModel
from pipeline.inference.teachers.description import SUFFIXES, models_in
from pipeline.inference.teachers.leak import own_trained_on
from pipeline.inference.teachers.onnx import load_onnx
from pipeline.inference.teachers.torchscript import load_torchscript
from pipeline.models.reid import ReidModel

OWN = ".safetensors"


def load_crop_model(path: Path, device: torch.device) -> CropModel:
    """Load a crop model by its file's suffix. Raises `UserError` where it cannot be loaded."""
    if path.suffix == OWN:
        return OwnCropModel(ReidModel.load(path), str(path), own_trained_on(path), device)
    return (load_onnx if path.suffix in SUFFIXES["onnx"] else load_torchscript)(path, device)


def load_ensemble(folder: Path, device: torch.device) -> list[CropModel]:
    """Load all models of a folder.

    Raises:
        UserError: it is no folder, holds fewer than two models, or one of them cannot be loaded.
    """
    known = (*SUFFIXES["onnx"], *SUFFIXES["torchscript"], OWN)
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder; an ensemble is a folder of models ({', '.join(known)})")
    models = models_in(folder, known)
    if len(models) < 2:
        raise UserError(
            f"{folder} holds {len(models)} models ({', '.join(known)}); an ensemble has two or more"
        )
    return [load_crop_model(model, device) for model in models]
