"""`person-search preset`: write the params.yaml of a data set."""

from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import click
from ruamel.yaml import YAML

from commands.lazy import imported
from commands.places import GivenPath, require_project
from commands.tables import table_text
from pipeline.basics.atomic import write_atomically
from pipeline.basics.errors import UserError
from pipeline.basics.options import read_yaml
from pipeline.datasets.releases import LAYOUTS, require_layout
from stages.support.parameters import EXTENDS, PARAMETERS

PRESETS = Path(__file__).parents[1] / "presets"
NAMES = ("cuhk_sysu", "cuhk_sysu_modern", "prw", "prw_modern", "prw_small", "synthetic")
ABSENT = "-"
BEHIND = 2
"""Where ruamel.yaml holds the comment behind a value, among those of a key."""


@click.command()
@click.argument("name", type=click.Choice(NAMES))
@click.option("--root", type=GivenPath(path_type=Path), help="The folder that the data set was unpacked to.")
def preset(name: str, root: Path | None) -> None:
    """Write params.yaml for the data set and scale NAME, and show what changes.

    \b
    synthetic          drawn by the project, for a CPU: what the project comes with
    cuhk_sysu          CUHK-SYSU at the paper's scale, for a GPU
    cuhk_sysu_modern   the same with settings of later work: larger scenes and batches
    prw                PRW at the paper's scale, for a GPU
    prw_modern         the same with settings of later work
    prw_small          a small set in PRW's layout, for a CPU
    """
    require_project()
    text = preset_text(name, root)
    values = YAML(typ="safe").load(text)
    imported("commands.parameter_checks:check_parameters")(values, PARAMETERS)
    before = _current(PARAMETERS)
    write_atomically(PARAMETERS, text)
    _print_changes(name, list(changes(before, values)))


def preset_text(name: str, root: Path | None) -> str:
    """Return the text of a preset's params.yaml, with its comments.

    Args:
        name: the preset.
        root: the data set's folder; it is written as it is given, so a relative path stays relative.

    Raises:
        UserError: a root is missing, not needed, or not that of the data set.
    """
    values = _read(PRESETS / f"{name}.yaml")
    dataset = values["dataset"]
    if dataset["name"] not in LAYOUTS:
        if root is not None:
            raise UserError(f"preset '{name}' takes no --root: its data set is drawn by the project")
        return _text(values)
    if root is None:
        raise UserError(f"preset '{name}' needs --root: the folder that the data set was unpacked to")
    require_layout(root, dataset["name"], LAYOUTS[dataset["name"]][1])
    dataset["root"] = root.as_posix()
    return _text(values)


def _read(path: Path) -> Any:
    """Return a preset, put over the one that it extends."""
    values = _yaml().load(path.read_text(encoding="utf-8"))
    if EXTENDS not in values:
        return values
    common = _read(path.with_name(values.pop(EXTENDS)))
    _put_over(common, values)
    return common


def _put_over(common: Any, differing: Any) -> None:
    """Change in `common` what `differing` states, section by section, with the remarks behind the values.

    All other comments of `common` stay: most remarks say where a value is from.
    """
    for key, value in differing.items():
        if isinstance(value, Mapping) and isinstance(common.get(key), Mapping):
            _put_over(common[key], value)
        else:
            common[key] = value
            _put_remark_over(common, differing, key)


def _put_remark_over(common: Any, differing: Any, key: str) -> None:
    """Replace the remark behind a value. What follows on lines of its own is held with it, and stays."""
    old, new = (values.ca.items.get(key, [None] * 3)[BEHIND] for values in (common, differing))
    if old is not None and new is not None:
        _, line_end, rest = old.value.partition("\n")
        old.value = new.value.partition("\n")[0] + line_end + rest


def _yaml() -> YAML:
    """Return a reader and writer that keeps comments and layout."""
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 10_000
    yaml.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


def _text(values: Any) -> str:
    text = StringIO()
    _yaml().dump(values, text)
    return text.getvalue()


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield each key that differs, with the values before and after as text."""
    old, new = dict(_flat(before)), dict(_flat(after))
    for key in [*new, *(key for key in old if key not in new)]:
        if key not in old or key not in new or old[key] != new[key] or type(old[key]) is not type(new[key]):
            yield key, _shown(old, key), _shown(new, key)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _shown(values: Mapping[str, Any], key: str) -> str:
    return str(values[key]) if key in values else ABSENT


def _current(path: Path) -> dict[str, Any]:
    """Return the values of the params.yaml that is replaced; none if it is missing or no longer YAML."""
    try:
        values = read_yaml(path, if_missing="")
    except (OSError, UserError):
        return {}
    return values if isinstance(values, dict) else {}


def _print_changes(name: str, lines: list[tuple[str, str, str]]) -> None:
    if not lines:
        click.echo(f"{PARAMETERS} holds the values of preset '{name}' already")
        return
    click.echo(table_text(lines, ("key", "before", "after")))
    click.echo(f"\n{PARAMETERS} is now preset '{name}' ({len(lines)} values differ); next: dvc repro")
