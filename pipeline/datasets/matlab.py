"""Reading MATLAB files: struct arrays, cells, names and numbers, whatever shape they were saved in.

scipy gives every nesting level its own array: a name is a `[1]` string array in a `[1, 1]` cell, an empty
box is `[1, 0]` or `[0, 0]`, and whole numbers come back in the small integer type they were stored in, in
which `x + w` overflows. The functions here undo all of that, so that no reader has to.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.io import loadmat
from scipy.io.matlab import MatlabOpaque

from pipeline.basics.errors import UserError
from pipeline.scenes.scene import FloatArray

MatValue = npt.NDArray[Any]
"""What scipy returns for one MATLAB value: numbers, text, an object array (cell) or a struct array."""

STRINGS = "a MATLAB string, table or other object: save names as a cell array of char (`cellstr`)"
"""How messages name values that only MATLAB can read: scipy does not decode them."""


def load(path: Path, *variables: str) -> MatValue:
    """Return one variable of a `.mat` file: the first of `variables` that the file has.

    Raises:
        UserError: the file is missing, damaged, of a version that scipy cannot read, or has no such variable.
    """
    try:
        with path.open("rb") as file:
            content = loadmat(file)
    except FileNotFoundError:
        raise UserError(f"{path} is missing") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or one_line(error)}") from None
    except NotImplementedError:
        raise UserError(f"{path} is in MATLAB's v7.3 format: save it again with `save -v7`") from None
    except Exception as error:
        # scipy lets its decoders' own errors through: zlib.error, struct.error, ValueError, TypeError, ...
        raise UserError(f"{path} is damaged or no MATLAB file: {one_line(error)}") from None
    for variable in variables:
        if variable in content:
            return np.asarray(content[variable])
    if any(isinstance(value, MatlabOpaque) for value in content.values()):
        raise UserError(f"{path} holds {STRINGS}")
    present = sorted(name for name in content if not name.startswith("__"))
    raise UserError(
        f"{path} has no variable {' or '.join(variables)}, only {', '.join(present) or 'nothing'}"
    )


def one_line(error: BaseException) -> str:
    """Return an exception's message as one line, or its type where it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def text(value: object) -> str:
    """Return a name, unwrapped from any number of cells and arrays; empty where there is none.

    Raises:
        UserError: the value is an object or a struct.
    """
    while isinstance(value, np.ndarray):
        if isinstance(value, MatlabOpaque):
            raise UserError(f"a name expected, found {STRINGS}")
        if value.size == 0:
            return ""
        if value.dtype.kind == "U" and value.size > 1:  # a char matrix, one character an element
            return "".join(value.ravel().tolist()).strip()
        value = value.ravel()[0]
    if isinstance(value, np.void):
        raise UserError("a name expected, found a struct")
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        value = int(value)  # files store the same number in different types
    return str(value).strip()


def texts(value: object) -> list[str]:
    """Return the names of a cell array (`[N, 1]`, `[1, N]`, nested), in MATLAB's order.

    Raises:
        UserError: one of the values is an object or a struct.
    """
    if isinstance(value, np.ndarray) and value.dtype == object:
        return [name for element in value.ravel(order="F") for name in texts(element)]
    if isinstance(value, np.ndarray) and value.dtype.kind == "U":
        return [str(name).strip() for name in value.ravel()]
    return [text(value)]


def numbers(value: object) -> FloatArray:
    """Return numbers as one flat float64 vector; an empty value of any type gives an empty vector.

    Raises:
        UserError: the value is text or a struct.
    """
    while isinstance(value, np.ndarray) and value.dtype == object:
        if value.size == 0:
            return np.empty(0)
        if value.size > 1:
            return np.concatenate([numbers(element) for element in value.ravel(order="F")])
        value = value.ravel()[0]
    array = np.asarray(value)
    if array.size == 0:
        return np.empty(0)
    if array.dtype.kind not in "biuf":
        raise UserError(f"numbers expected, found {array.dtype}")
    return array.astype(np.float64).ravel(order="F")


def matrix(value: object) -> FloatArray:
    """Return numbers as a float64 array of their own shape. Raises `UserError` for other values."""
    while isinstance(value, np.ndarray) and value.dtype == object and value.size == 1:
        value = value.ravel()[0]
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise UserError(f"numbers expected, found {array.dtype}")
    return array.astype(np.float64)


def structs(value: object) -> Iterator[Any]:
    """Yield the elements of a struct array, or of a cell of structs, in MATLAB's order; none where empty.

    An element is read by field name: `element["imname"]`.

    Raises:
        UserError: the value is of another kind.
    """
    if isinstance(value, np.void):
        yield value
    elif isinstance(value, np.ndarray) and value.dtype.names is not None:
        yield from value.ravel(order="F")
    elif isinstance(value, np.ndarray) and value.dtype == object:
        for element in value.ravel(order="F"):
            yield from structs(element)
    elif not isinstance(value, np.ndarray) or value.size > 0:
        raise UserError(f"a struct expected, found {getattr(value, 'dtype', type(value).__name__)}")


def load_structs(path: Path, variable: str) -> Iterator[Any]:
    """Yield the elements of a file's struct array or cell of structs. Raises `UserError`, naming the file."""
    with _naming(path, f"{variable}: "):
        yield from structs(load(path, variable))


def load_texts(path: Path, variable: str) -> list[str]:
    """Return the names in a file's cell array. Raises `UserError`, naming the file."""
    with _naming(path):
        return texts(load(path, variable))


def load_numbers(path: Path, *variables: str) -> FloatArray:
    """Return a file's numbers as one flat float64 vector. Raises `UserError`, naming the file."""
    with _naming(path):
        return numbers(load(path, *variables))


@contextmanager
def _naming(path: Path, within: str = "") -> Iterator[None]:
    """Put the file's path and `within`, the place in it, before an error that does not name the file."""
    try:
        yield
    except UserError as error:
        raise UserError(str(error) if str(path) in str(error) else f"{path}: {within}{error}") from None


def field(element: Any, name: str) -> Any:
    """Return a field of a struct element. Raises `UserError` where it has no such field."""
    names = element.dtype.names
    if names is None or name not in names:
        raise UserError(f"no field {name}, only {', '.join(names or ())}")
    return element[name]
