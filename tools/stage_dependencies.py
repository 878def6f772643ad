"""Keep dvc.yaml true to the code: each stage lists the modules that it imports and the params that it reads.

DVC reruns a stage when something that it lists changed; what is missing there leads to stale results, what is
too much to needless trainings.

    python -m tools.stage_dependencies --check      name what differs; exit code 1 if something does
    python -m tools.stage_dependencies --write      put it right in dvc.yaml
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import yaml

from pipeline.atomic import write_atomically
from tools.import_closure import PACKAGES, import_closure

DVC_FILE = Path("dvc.yaml")
STAGES = "stages"
DECLARATION = "PARAMS"
"""The tuple in a stage's module that names the sections of params.yaml that it reads."""
INDENT = 2


@click.command()
@click.option("--check", "mode", flag_value="check", help="Name what differs; exit code 1 if something does.")
@click.option("--write", "mode", flag_value="write", help="Put dvc.yaml right.")
def main(mode: str | None) -> None:
    """Compare dvc.yaml with the code of its stages."""
    if mode is None:
        raise click.UsageError("say --check or --write")
    root = Path()
    text = (root / DVC_FILE).read_text()
    found = list(differences(text, root))
    for line in found:
        click.echo(line)
    if mode == "write" and found:
        write_atomically(root / DVC_FILE, rewritten(text, root))
        click.echo(f"{DVC_FILE}: rewritten")
    elif found:
        raise SystemExit(1)
    else:
        click.echo(f"{DVC_FILE}: every stage lists what it imports and reads")


def code_dependencies(stage: str, root: Path) -> list[str]:
    """Return the files of a stage's code, sorted; a folder stands for a package of which all is imported.

    DVC takes time for each dependency that it looks at, whether a file or a folder.
    """
    files = import_closure(f"{STAGES}.{stage}", root)
    whole = [folder for folder in _packages(root) if _modules(folder, root) <= files]
    inside = {path for folder in whole for path in (*_modules(folder, root), *_packages(root, folder))}
    return sorted((files | set(whole)) - inside)


def _packages(root: Path, folder: str = "") -> list[str]:
    """Return the packages below a folder, or below all of `PACKAGES`."""
    tops = [folder] if folder else PACKAGES
    found = (path.parent for top in tops for path in (root / top).rglob("*/__init__.py"))
    return [path.relative_to(root).as_posix() for path in found]


def _modules(folder: str, root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in (root / folder).rglob("*.py")}


def declared_params(stage: str, root: Path) -> list[str]:
    """Return the sections that a stage's module declares, as dvc.yaml spells them; none where it does not."""
    tree = ast.parse(_file(stage, root).read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and DECLARATION in [getattr(t, "id", "") for t in node.targets]:
            return [name.replace("{", "${item.") for name in ast.literal_eval(node.value)]
    return []


def is_code(dependency: Any) -> bool:
    """Tell whether a dependency is a file or a folder of our own packages."""
    return isinstance(dependency, str) and dependency.split("/")[0] in PACKAGES


def differences(text: str, root: Path) -> Iterator[str]:
    """Yield one line for each stage and thing that dvc.yaml and the code do not agree on."""
    stages: Mapping[str, Mapping[str, Any]] = yaml.safe_load(text)[STAGES]
    for name, stage in stages.items():
        if not _file(name, root).is_file():
            yield f"{name}: there is no {_file(name, Path())}"
            continue
        listed = [dependency for dependency in stage.get("deps", []) if is_code(dependency)]
        yield from _difference(f"{name}: deps", listed, code_dependencies(name, root))
        yield from _difference(f"{name}: params", stage.get("params", []), declared_params(name, root))


def _file(stage: str, root: Path) -> Path:
    return root / STAGES / f"{stage}.py"


def _difference(what: str, listed: list[str], wanted: list[str]) -> Iterator[str]:
    missing, surplus = sorted(set(wanted) - set(listed)), sorted(set(listed) - set(wanted))
    if missing:
        yield f"{what} lack {', '.join(missing)}"
    if surplus:
        yield f"{what} have {', '.join(surplus)} too many"
    if not missing and not surplus and listed != wanted:
        yield f"{what} are in another order"


def rewritten(text: str, root: Path) -> str:
    """Return dvc.yaml's text with every stage's code and params as they should be; other lines stay.

    Data dependencies keep their order and comments; the code follows them, sorted.
    """
    lines = text.splitlines()
    document: Any = yaml.compose(text)
    stages = next(value for key, value in document.value if key.value == STAGES)
    for name_node, stage in reversed(stages.value):
        name = name_node.value
        if not _file(name, root).is_file():
            continue
        column = name_node.start_mark.column + INDENT
        code = [f"{' ' * (column + INDENT)}- {path}" for path in code_dependencies(name, root)]
        params = [f"{' ' * (column + INDENT)}- {section}" for section in declared_params(name, root)]
        # From the bottom up, so that the lines above keep their numbers.
        edits = sorted(
            [_edit(stage, "deps", code, lines, keep_data=True), _edit(stage, "params", params, lines)],
            key=lambda edit: (-edit[0], edit[2] == "deps"),
        )
        for start, end, key, new in edits:
            lines[start:end] = [f"{' ' * column}{key}:", *new] if new else []
    return "\n".join(lines) + "\n"


def _edit(
    stage: yaml.MappingNode, key: str, new: list[str], lines: list[str], *, keep_data: bool = False
) -> tuple[int, int, str, list[str]]:
    """Return which lines of a stage hold a list, and what they are to be: start, end, key, items."""
    for key_node, value in stage.value:
        if key_node.value == key:
            start, end = key_node.start_mark.line, value.value[-1].end_mark.line + 1
            if not keep_data:
                return start, end, key, new
            code = {item.start_mark.line for item in value.value if is_code(item.value)}
            kept = [lines[number] for number in range(start + 1, end) if number not in code]
            return start, end, key, [*kept, *new]
    values = {key_node.value: value for key_node, value in stage.value}
    before = values["deps"].value[-1] if key == "params" and "deps" in values else values["cmd"]
    after = before.end_mark.line + 1
    return after, after, key, new


if __name__ == "__main__":
    main()
