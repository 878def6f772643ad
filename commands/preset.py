"""`person-search preset`: write the params.yaml of a data set."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import yaml

from pipeline.basics.atomic import write_atomically
from pipeline.basics.errors import UserError
from pipeline.basics.options import read_yaml
from pipeline.datasets.releases import LAYOUTS, require_layout
from stages.support.every_section import check_parameters
from stages.support.parameters import PARAMETERS

PRESETS = Path(__file__).parents[1] / "presets"
PIPELINE = Path("dvc.yaml")
ROOT_LINE = re.compile(r"^(  root: )\S+", re.MULTILINE)
"""The one line of a preset that is filled in."""
ABSENT = "-"


@click.command()
@click.argument("name", type=click.Choice(sorted(path.stem for path in PRESETS.glob("*.yaml"))))
@click.option("--root", type=click.Path(path_type=Path), help="The folder that the data set was unpacked to.")
def preset(name: str, root: Path | None) -> None:
    """Write params.yaml for the data set and scale NAME, and show what changes.

    \b
    synthetic   drawn by the project, for a CPU: what the project comes with
    cuhk_sysu   CUHK-SYSU at the paper's scale, for a GPU
    prw         PRW at the paper's scale, for a GPU
    prw_small   a small set in PRW's layout, for a CPU
    """
    if not PIPELINE.is_file():
        raise UserError(f"no {PIPELINE} here; run this in the project's root")
    text = preset_text(name, root)
    values = yaml.safe_load(text)
    check_parameters(values, PARAMETERS)
    before = _current(PARAMETERS)
    write_atomically(PARAMETERS, text)
    _print_changes(name, list(changes(before, values)))


def preset_text(name: str, root: Path | None) -> str:
    """Return what params.yaml is to hold.

    Args:
        name: the preset.
        root: the data set's folder; it is written as it is given, so that one that is given from the
            project's root stays so.

    Raises:
        UserError: a root is missing, not needed, or not that of the data set.
    """
    text = (PRESETS / f"{name}.yaml").read_text(encoding="utf-8")
    dataset = yaml.safe_load(text)["dataset"]["name"]
    if dataset not in LAYOUTS:
        if root is not None:
            raise UserError(f"preset '{name}' takes no --root: its data set is drawn by the project")
        return text
    if root is None:
        raise UserError(f"preset '{name}' needs --root: the folder that the data set was unpacked to")
    require_layout(root, dataset, LAYOUTS[dataset][1])
    quoted = yaml.safe_dump(root.as_posix(), width=float("inf"), allow_unicode=True).splitlines()[0]
    return ROOT_LINE.sub(lambda match: match[1] + quoted, text, count=1)


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the keys that differ, each with both values as text."""
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
    """Return what params.yaml holds now; nothing if it is missing or no longer YAML, since it is replaced."""
    try:
        values = read_yaml(path, if_missing="")
    except (OSError, UserError):
        return {}
    return values if isinstance(values, dict) else {}


def _print_changes(name: str, rows: list[tuple[str, str, str]]) -> None:
    if not rows:
        click.echo(f"{PARAMETERS} holds the values of preset '{name}' already")
        return
    lines = [("key", "before", "after"), *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(2)]
    for key, old, new in lines:
        click.echo(f"{key:<{widths[0]}}  {old:<{widths[1]}}  {new}")
    click.echo(f"\n{PARAMETERS} is now preset '{name}' ({len(rows)} values differ); next: dvc repro")
