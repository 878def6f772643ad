"""Opening an ONNX model, whoever made it. Nothing here needs PyTorch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.basics.environment_variables import cpu_threads
from pipeline.basics.errors import UserError

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
ERRORS_ONLY = 3
"""ONNX Runtime's number of the messages that are shown."""


def open_session(model: bytes | Path, name: str, again: str, providers: Sequence[Any] | None = None) -> Any:
    """Return an `onnxruntime.InferenceSession`.

    Args:
        model: the file's bytes; or its path, where weights may lie beside it.
        name: of the file, for the message.
        again: what to do where it cannot be read.
        providers: what ONNX Runtime may compute with, the best first; None for CUDA where it is there, and
            else the CPU. The CPU's threads are `PERSON_SEARCH_THREADS`.

    Raises:
        UserError: ONNX Runtime is not installed, or cannot read the model.
    """
    runtime = onnx_runtime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = cpu_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    if providers is None:
        there = runtime.get_available_providers()
        providers = [provider for provider in (CUDA, CPU) if provider in there]
    try:
        return runtime.InferenceSession(
            model if isinstance(model, bytes) else str(model), options, providers=[*providers]
        )
    except Exception as error:  # ONNX Runtime's errors have no class in common
        (reason, *_) = str(error).splitlines() or [type(error).__name__]
        raise UserError(f"{name} is not a readable ONNX model ({reason}); {again}") from None


def onnx_runtime() -> Any:
    """Return the module `onnxruntime`. Raises `UserError` where it is not installed."""
    try:
        import onnxruntime  # noqa: PLC0415 (only what runs ONNX models needs it)
    except ModuleNotFoundError:
        raise UserError("onnxruntime is not installed, which this needs: pip install '.[onnx]'") from None
    return onnxruntime
