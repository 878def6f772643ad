"""The base of every option object, and how one is made from what a user wrote."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pipeline.basics.errors import UserError


class Options(BaseModel):
    """Options that reject unknown keys, wrong types and infinities, and do not change once made."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def added_field(default: Any, **limits: Any) -> Any:
    """Return a field that was added after files with such options had been written.

    What is written states it only where it differs from the default. So a weight file keeps its bytes where a
    new option is not used, and older files can be read.

    Args:
        default: what holds where the field is not stated: what the program did before there was the option.
        **limits: see pydantic's `Field`.
    """
    return Field(default=default, exclude_if=lambda value: value == default, **limits)


def missing(options: Options, key: str) -> ValidationError:
    """Return the error that a key is missing which only some options need, to be raised by a validator."""
    problem = InitErrorDetails(type="missing", loc=(key,), input=options)
    return ValidationError.from_exception_data(type(options).__name__, [problem])


WITHOUT_EFFECT = "without_effect"


def refuse_without_effect(options: Options, reasons: Mapping[str, str]) -> None:
    """Check, in a validator, that all that was stated has an effect. A default is not stated.

    Args:
        options: as they were parsed.
        reasons: by key why it has no effect; `a.b` is a key of a section in the options.

    Raises:
        ValidationError: such a key is stated; `parse_options` makes a line of it that names the key.
    """
    problems = [
        InitErrorDetails(
            type=PydanticCustomError(WITHOUT_EFFECT, "{reason}", {"reason": reason}),
            loc=tuple(key.split(".")),
            input=options,
        )
        for key, reason in reasons.items()
        if _states(options, key)
    ]
    if problems:
        raise ValidationError.from_exception_data(type(options).__name__, problems)


def _states(options: Options, key: str) -> bool:
    first, _, rest = key.partition(".")
    below = getattr(options, first)
    stated = first in options.model_fields_set
    return stated and (not rest or (isinstance(below, Options) and _states(below, rest)))


NO_YAML = (
    YAMLError,
    ValueError,
    LookupError,
    ArithmeticError,
    AttributeError,
    TypeError,
    RecursionError,
)
"""What ruamel.yaml raises of what is no YAML, or no date or number that Python has: 2024-13-45, !!bool x."""

AnyOptions = TypeVar("AnyOptions", bound=BaseModel)


def parse_options(model: type[AnyOptions], values: Mapping[str, Any], where: str) -> AnyOptions:
    """Make an option object from plain values.

    Args:
        model: the class to make.
        values: keys and values as read from YAML or JSON.
        where: what the user calls the place, for the message: `params.yaml: train_student`.

    Raises:
        UserError: a key is unknown, missing or without effect, or a value is of the wrong type or out of
            range. The line says what is wrong with one such key, an unknown one first, and names the others.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        # A misspelt key is unknown and missing at once; that it is unknown says more.
        problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
        first, *others = problems
        more = f" (also wrong or missing: {', '.join(map(_key, others))})" if others else ""
        raise UserError(f"{where}: {_problem(first, model)}{more}") from None


def _problem(problem: ErrorDetails, model: type[BaseModel]) -> str:
    """Return in words what pydantic found wrong."""
    key, kind, message = _key(problem), problem["type"], problem["msg"]
    if kind == "extra_forbidden":
        return f"unknown parameter {key}; known here: {', '.join(_known_keys(model, problem['loc']))}"
    if kind == "missing":
        return f"parameter {key} is missing"
    if kind == WITHOUT_EFFECT:
        return f"parameter {key} has no effect: {message}; leave it out"
    given = f", got {problem['input']!r}"
    if kind == "value_error":  # of our own validators; pydantic puts "Value error" before the text
        message = str(problem["ctx"]["error"])
        if isinstance(problem["input"], Mapping | Options):  # a validator of a whole section says what it is
            given = ""
    return f"{f'parameter {key}: ' if problem['loc'] else ''}{message}{given}"


def _key(problem: ErrorDetails) -> str:
    """Return the name of the key that a problem is about, in quotes."""
    return repr(".".join(str(part) for part in problem["loc"]))


def read_yaml(path: Path, if_missing: str) -> Any:
    """Return what is in a YAML file that a person wrote.

    It is read as DVC reads params.yaml, by the same library and rules (YAML 1.2), so that a value is the one
    that `dvc params diff` shows: 1e-05 is a number, 010 is ten, and `yes` is a text.

    Args:
        path: the file.
        if_missing: the message where there is no such file.

    Raises:
        UserError: it is missing, no text in UTF-8, no valid YAML, or has a key twice.
    """
    if not path.exists():
        raise UserError(if_missing)
    if not path.is_file():
        raise UserError(f"{path} is no file")
    try:
        values = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8-sig"))
        json.dumps(values, default=str, skipkeys=True)  # a section inside itself is a ValueError
    except UnicodeDecodeError:
        raise UserError(f"{path} is no text in UTF-8; save it as UTF-8") from None
    except DuplicateKeyError as error:
        where = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(f"{path}{where}: {str(error.problem).partition(' with value')[0]}") from None
    except NO_YAML as error:
        raise UserError(f"{path} is no valid YAML: {_fault(error)}") from None
    return values


def _fault(error: Exception) -> str:
    """Return in a line what is wrong with a YAML text, and where, without the text itself."""
    if not isinstance(error, MarkedYAMLError) or error.problem_mark is None:
        return " ".join(str(error).split())
    context = ""
    if error.context:
        context = f" {error.context}"
        if error.context_mark and error.context_mark.line != error.problem_mark.line:
            context += f" that begins in line {error.context_mark.line + 1}"
    return f"line {error.problem_mark.line + 1}: {error.problem}{context}"


def merged(common: Mapping[str, Any], differing: Mapping[str, Any]) -> dict[str, Any]:
    """Return `common` with the values of `differing` put over it, section by section."""
    result = dict(common)
    for key, value in differing.items():
        below = result.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            result[key] = merged(below, value)
        else:
            result[key] = value
    return result


def _known_keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    current = model
    for part in location[:-1]:
        field = current.model_fields.get(str(part))
        if isinstance(part, int):  # an item of a list, whose options are those of the list's type
            continue
        below = _options_in(field.annotation) if field else None
        if below is None:
            break
        current = below
    return sorted(current.model_fields)


def _options_in(annotation: Any) -> type[BaseModel] | None:
    """Return the options that a field's type holds: the type itself, or one inside a list or `X | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _options_in(inner))), None)
