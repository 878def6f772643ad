"""The kinds of teachers by name, and the hash of what one is made of."""

import hashlib
from pathlib import Path
from typing import Literal

import torch

from pipeline.basics.hashing import sha256_of
from pipeline.inference.teachers.crop_teacher import CropTeacher, OwnCropModel
from pipeline.inference.teachers.description import SUFFIXES, find_model
from pipeline.inference.teachers.ensemble import load_ensemble
from pipeline.inference.teachers.features import FeaturesTeacher
from pipeline.inference.teachers.leak import own_trained_on
from pipeline.inference.teachers.network import NetworkTeacher
from pipeline.inference.teachers.onnx import load_onnx
from pipeline.inference.teachers.teacher import Teacher
from pipeline.inference.teachers.torchscript import load_torchscript
from pipeline.models.heads import load_student
from pipeline.models.reid import ReidModel
from pipeline.scenes.prepared import PreparedDataSet

TeacherKind = Literal["crops", "network", "onnx", "torchscript", "features", "ensemble"]
EXTERNAL = {"onnx": load_onnx, "torchscript": load_torchscript}


def load_teacher(
    kind: TeacherKind,
    path: Path,
    data: PreparedDataSet,
    device: torch.device,
    batch_size: int,
    scene_batch_size: int,
) -> Teacher:
    """Load a teacher.

    Args:
        kind: what it is.
        path: its file or folder.
        data: whom it is asked about.
        device: where it runs.
        batch_size: crops at a time.
        scene_batch_size: scenes at a time.

    Raises:
        UserError: it cannot be loaded, or is of another kind.
    """
    if kind == "network":
        return NetworkTeacher(load_student(path), str(path), own_trained_on(path), scene_batch_size)
    if kind == "features":
        return FeaturesTeacher(path, data.sha256)
    if kind == "ensemble":
        return CropTeacher(load_ensemble(path, device), batch_size, scene_batch_size)
    if kind == "crops":
        own = OwnCropModel(ReidModel.load(path), str(path), own_trained_on(path), device)
        return CropTeacher([own], batch_size, scene_batch_size)
    model = EXTERNAL[kind](find_model(path, SUFFIXES[kind]), device)
    return CropTeacher([model], batch_size, scene_batch_size)


def teacher_sha256(kind: TeacherKind, path: Path) -> str:
    """Return the SHA-256 of what a teacher is made of: of a single file, the file's own.

    Of an external model's file, it covers the YAML beside it; of a folder, all files in it, as DVC does.
    """
    if path.is_dir():
        files = sorted(path.iterdir())
    else:
        files = [path, path.with_suffix(".yaml")] if kind in EXTERNAL else [path]
    if len(files) == 1:
        return sha256_of(files[0])
    lines = [f"{file.name} {sha256_of(file)}\n" for file in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
