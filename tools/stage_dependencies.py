"""Keep dvc.yaml true to the code: a stage lists the modules that it imports and the params that it reads.

DVC reruns a stage when something that it lists changed. What is missing there leads to stale results, what
stands there without need to needless trainings.

    python -m tools.stage_dependencies --check      name what differs; exit code 1 if something does
    python -m tools.stage_dependencies --write      correct dvc.yaml
"""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml

from pipeline.basics.atomic import write_atomically
from tools.import_closure import PACKAGES, import_closure

DVC_FILE = Path("dvc.yaml")
STAGES = "stages"
PROGRAM = re.compile(r"python -m stages\.([\w.]+)")
ENTRY = re.compile(r"--(student|table) (\S+)")
"""Which entry of params.yaml a stage's command is run for."""
DECLARATION = "PARAMS"
"""The tuple in a stage's module that names the sections of params.yaml that it reads."""
TEMPLATE = ".html"
"""The end of a file of a module's name that the module fills in."""
TRAINING = "train_"
"""What the names of the stages start with whose reruns take long."""
INDENT = 2


@click.command()
@click.option("--check", "mode", flag_value="check", help="Name what differs; exit code 1 if something does.")
@click.option("--write", "mode", flag_value="write", help="Correct dvc.yaml.")
def main(mode: str | None) -> None:
    """Compare dvc.yaml with the code of its stages."""
    if mode is None:
        raise click.UsageError("say --check or --write")
    text = DVC_FILE.read_text()
    found = list(differences(text, Path()))
    for line in found:
        click.echo(line)
    if not found:
        click.echo(f"{DVC_FILE}: every stage lists what it imports and reads")
    elif mode == "write":
        write_atomically(DVC_FILE, rewritten(text, Path()))
        click.echo(f"{DVC_FILE}: rewritten")
    else:
        raise SystemExit(1)


@dataclass(frozen=True)
class Definition:
    """A stage as dvc.yaml defines it, inside `foreach` or not.

    Attributes:
        name: in dvc.yaml.
        program: the module of `stages` that it runs; empty where it runs something else.
        entries: what stands for the student or the table in its command, by `student` or `table`.
        listed: everything that it states.
    """

    name: str
    program: str
    entries: Mapping[str, str]
    listed: Mapping[str, Any]

    def code(self, root: Path) -> list[str]:
        """Return what its `deps` must list of the code, sorted."""
        return code_dependencies(self.program, root)

    def params(self, root: Path) -> list[str]:
        """Return what its `params` must list."""
        return [filled(name, self.entries) for name in declared_params(self.program, root)]


def definition(name: str, stated: Mapping[str, Any]) -> Definition:
    """Return a stage's definition."""
    listed = stated.get("do", stated)
    program, entries = PROGRAM.match(listed["cmd"]), dict(ENTRY.findall(listed["cmd"]))
    return Definition(name, program[1] if program else "", entries, listed)


def filled(section: str, entries: Mapping[str, str]) -> str:
    """Return the name of a section with what stands for `{student}` and `{table}` in it."""
    for kind, entry in entries.items():
        section = section.replace(f"{{{kind}}}", entry)
    return section


def code_files(stage: str, root: Path) -> list[str]:
    """Return the files of a stage's code, sorted: modules, and beside one of them its template."""
    files = {path for path in import_closure(f"{STAGES}.{stage}", root) if not _says_nothing(root / path)}
    templates = (Path(path).with_suffix(TEMPLATE) for path in files)
    return sorted(files | {path.as_posix() for path in templates if (root / path).is_file()})


def _says_nothing(path: Path) -> bool:
    """Return whether a file is an `__init__.py` that holds a docstring at most."""
    body = ast.parse(path.read_text()).body if path.name == "__init__.py" else [ast.Pass()]
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body)


def code_dependencies(stage: str, root: Path) -> list[str]:
    """Return the files of a stage's code, sorted; a folder stands for all modules below it.

    A training lists a folder only where it imports all of it, so that it never reruns for code that it does
    not run. Other stages are cheap and their outputs byte-stable: they list whole folders.
    DVC takes time for each dependency that it looks at, whether a file or a folder.
    """
    files = set(code_files(stage, root))
    modules = {package: _modules(package, root) for package in _packages(root)}
    if stage.startswith(TRAINING):
        whole = {package for package, inside in modules.items() if inside and inside <= files}
    else:
        whole = {package for package, inside in modules.items() if package.count("/") == 1 and inside & files}
    listed = files | whole
    return sorted(path for path in listed if not any(path.startswith(f"{folder}/") for folder in whole))


def _packages(root: Path) -> list[str]:
    """Return the packages below `PACKAGES`."""
    found = (path.parent for top in PACKAGES for path in (root / top).rglob("*/__init__.py"))
    return [path.relative_to(root).as_posix() for path in found]


def _modules(folder: str, root: Path) -> set[str]:
    files = (path for path in (root / folder).rglob("*.py") if not _says_nothing(path))
    return {path.relative_to(root).as_posix() for path in files}


def declared_params(stage: str, root: Path) -> list[str]:
    """Return the sections that a stage's module declares, `{student}` and `{table}` in them; else none."""
    tree = ast.parse(_file(stage, root).read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and DECLARATION in [getattr(t, "id", "") for t in node.targets]:
            return list(ast.literal_eval(node.value))
    return []


def is_code(dependency: Any) -> bool:
    """Tell whether a dependency is a file or a folder of our own packages."""
    return isinstance(dependency, str) and dependency.split("/")[0] in PACKAGES


def differences(text: str, root: Path) -> Iterator[str]:
    """Yield one line for each list of each stage in which a dvc.yaml and the code differ."""
    for name, stated in yaml.safe_load(text)[STAGES].items():
        stage = definition(name, stated)
        if not _file(stage.program, root).is_file():
            yield f"{name}: there is no {_file(stage.program or name, Path())}"
            continue
        listed = [path for path in stage.listed.get("deps", []) if is_code(path)]
        yield from _difference(f"{name}: deps", listed, stage.code(root))
        yield from _difference(f"{name}: params", stage.listed.get("params", []), stage.params(root))


def _file(program: str, root: Path) -> Path:
    return (root / STAGES).joinpath(*program.split(".")).with_suffix(".py")


def _difference(what: str, listed: list[str], wanted: list[str]) -> Iterator[str]:
    missing, surplus = sorted(set(wanted) - set(listed)), sorted(set(listed) - set(wanted))
    if missing:
        yield f"{what} lack {', '.join(missing)}"
    if surplus:
        yield f"{what} have {', '.join(surplus)} too many"
    if not missing and not surplus and listed != wanted:
        yield f"{what} are in another order"


def rewritten(text: str, root: Path) -> str:
    """Return a dvc.yaml's text with every stage's code and params as they should be; other lines stay.

    Data dependencies keep their order and comments; the code follows them, sorted.
    """
    lines = text.splitlines()
    document: Any = yaml.compose(text)
    stated = yaml.safe_load(text)[STAGES]
    stages = next(value for key, value in document.value if key.value == STAGES)
    for name_node, node in reversed(stages.value):
        stage = definition(name_node.value, stated[name_node.value])
        if not _file(stage.program, root).is_file():
            continue
        inner = next((value for key, value in node.value if key.value == "do"), node)
        column = inner.start_mark.column
        code, params = (
            [f"{' ' * (column + INDENT)}- {item}" for item in items]
            for items in (stage.code(root), stage.params(root))
        )
        # From the bottom up, so that the lines above keep their numbers.
        edits = sorted(
            [_edit(inner, "deps", code, lines, is_code), _edit(inner, "params", params, lines)],
            key=lambda edit: (-edit[0], edit[2] == "deps"),
        )
        for start, end, key, new in edits:
            lines[start:end] = [f"{' ' * column}{key}:", *new] if new else []
    return "\n".join(lines) + "\n"


def _edit(
    stage: yaml.MappingNode,
    key: str,
    new: list[str],
    lines: list[str],
    replaced: Callable[[Any], bool] = lambda _: True,
) -> tuple[int, int, str, list[str]]:
    """Return which lines of a stage hold a list, and what they are to be: start, end, key, items.

    Items that are not `replaced` stay, in front.
    """
    for key_node, value in stage.value:
        if key_node.value == key:
            start, end = key_node.start_mark.line, value.value[-1].end_mark.line + 1
            code = {item.start_mark.line for item in value.value if replaced(item.value)}
            kept = [lines[number] for number in range(start + 1, end) if number not in code]
            return start, end, key, [*kept, *new]
    values = {key_node.value: value for key_node, value in stage.value}
    before = values["deps"].value[-1] if key == "params" and "deps" in values else values["cmd"]
    after = before.end_mark.line + 1
    return after, after, key, new


if __name__ == "__main__":
    main()
