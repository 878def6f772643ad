"""Nested state as tensors and text, so that it can be kept without pickle.

Whatever PyTorch's `state_dict` and Python's generators return is made of dicts, lists, tuples, tensors,
numbers and texts. Tensors are put in a flat dict; the rest becomes JSON that names where each tensor belongs.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

TENSOR, MAPPING, TUPLE = "tensor", "mapping", "tuple"


def flatten(tree: Any) -> tuple[dict[str, Tensor], Any]:
    """Take a nested structure apart.

    Args:
        tree: dicts with keys that are texts or whole numbers, lists, tuples, tensors, texts, numbers, None.

    Returns:
        The tensors by name, and the structure as plain JSON, with names in place of tensors.

    Raises:
        TypeError: something else is in it.
    """
    tensors: dict[str, Tensor] = {}
    return tensors, _skeleton(tree, tensors)


def unflatten(tensors: Mapping[str, Tensor], skeleton: Any) -> Any:
    """Put together what `flatten` took apart. Raises `LookupError` where a tensor is missing."""
    if isinstance(skeleton, list):
        return [unflatten(tensors, value) for value in skeleton]
    if not isinstance(skeleton, dict):
        return skeleton
    ((kind, content),) = skeleton.items()
    if kind == TENSOR:
        return tensors[content]
    if kind == TUPLE:
        return tuple(unflatten(tensors, value) for value in content)
    return {key: unflatten(tensors, value) for key, value in content}


def _skeleton(tree: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(tree, Tensor):
        name = str(len(tensors))
        tensors[name] = tree
        return {TENSOR: name}
    if isinstance(tree, Mapping):
        # A list of pairs: JSON's own objects would turn whole numbers into texts.
        return {MAPPING: [[_key(key), _skeleton(value, tensors)] for key, value in tree.items()]}
    if isinstance(tree, tuple):
        return {TUPLE: [_skeleton(value, tensors) for value in tree]}
    if isinstance(tree, list):
        return [_skeleton(value, tensors) for value in tree]
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    raise TypeError(f"cannot keep a {type(tree).__name__}")


def _key(key: Any) -> Any:
    if type(key) not in (str, int):
        raise TypeError(f"cannot keep a mapping with a key of type {type(key).__name__}")
    return key
