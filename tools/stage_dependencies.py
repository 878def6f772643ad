"""Keep both dvc.yaml true to the code: a stage lists the modules it imports and the params it reads.

DVC reruns a stage when something that it lists changed; what is missing there leads to stale results, what is
too much to needless trainings.

    python -m tools.stage_dependencies --check      name what differs; exit code 1 if something does
    python -m tools.stage_dependencies --write      put it right in both dvc.yaml
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

DVC_FILES = (Path("dvc.yaml"), Path("ablation/dvc.yaml"))
STAGES = "stages"
PROGRAM = re.compile(r"python -m stages\.(\w+)")
ROW = re.compile(r"--row (\S+)")
DECLARATION = "PARAMS"
"""The tuple in a stage's module that names the sections of params.yaml that it reads."""
TEMPLATE = ".html"
"""The end of a file of a module's name that the module fills in."""
INDENT = 2


@click.command()
@click.option("--check", "mode", flag_value="check", help="Name what differs; exit code 1 if something does.")
@click.option("--write", "mode", flag_value="write", help="Put each dvc.yaml right.")
def main(mode: str | None) -> None:
    """Compare each dvc.yaml with the code of its stages."""
    if mode is None:
        raise click.UsageError("say --check or --write")
    right = [_put_right(path, Path(), write=mode == "write") for path in DVC_FILES]
    if not all(right):
        raise SystemExit(1)


def _put_right(path: Path, root: Path, *, write: bool) -> bool:
    """Say what differs in one file, put it right if asked to, and return whether it is right now."""
    text = (root / path).read_text()
    found = list(differences(text, root, path.parent))
    for line in found:
        click.echo(f"{path}: {line}")
    if not found:
        click.echo(f"{path}: every stage lists what it imports and reads")
    elif write:
        write_atomically(root / path, rewritten(text, root, path.parent))
        click.echo(f"{path}: rewritten")
    return write or not found


@dataclass(frozen=True)
class Definition:
    """A stage as a dvc.yaml defines it, inside `foreach` or not.

    Attributes:
        name: in the dvc.yaml.
        program: the module of `stages` that it runs; empty where it runs something else.
        row: what stands for the row in its command; empty where it has none.
        above: from its working folder up to the project's root: empty, or `../` and more of them.
        listed: everything that it states.
    """

    name: str
    program: str
    row: str
    above: str
    listed: Mapping[str, Any]

    def code(self, root: Path) -> list[str]:
        """Return what its `deps` must list of the code, sorted.

        A repository of DVC's below the project's root sees the code outside of it, where .dvcignore does not
        reach: inside a folder, Python's compiled files would count, and each run would outdate itself.
        """
        listed = code_files(self.program, root) if self.above else code_dependencies(self.program, root)
        return [self.above + path for path in listed]

    def params(self, root: Path) -> list[str]:
        """Return what its `params` must list."""
        return [name.replace("{row}", self.row) for name in declared_params(self.program, root)]

    def is_code(self, dependency: Any) -> bool:
        """Tell whether a dependency is a file or a folder of our own packages."""
        return isinstance(dependency, str) and is_code(dependency.removeprefix(self.above))


def definition(name: str, stated: Mapping[str, Any], folder: Path) -> Definition:
    """Return a stage's definition; `folder` is where its dvc.yaml is, from the project's root."""
    listed = stated.get("do", stated)
    program, row = PROGRAM.match(listed["cmd"]), ROW.search(listed["cmd"])
    depth = len((folder / listed.get("wdir", "")).parts)
    return Definition(name, program[1] if program else "", row[1] if row else "", "../" * depth, listed)


def code_files(stage: str, root: Path) -> list[str]:
    """Return the files of a stage's code, sorted: modules, and beside one of them its template."""
    files = import_closure(f"{STAGES}.{stage}", root)
    templates = (Path(path).with_suffix(TEMPLATE) for path in files)
    return sorted(files | {path.as_posix() for path in templates if (root / path).is_file()})


def code_dependencies(stage: str, root: Path) -> list[str]:
    """Return the files of a stage's code, sorted; a folder stands for a package of which all is imported.

    DVC takes time for each dependency that it looks at, whether a file or a folder.
    """
    files = set(code_files(stage, root))
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
    """Return the sections that a stage's module declares, with `{row}`; none where it does not."""
    tree = ast.parse(_file(stage, root).read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and DECLARATION in [getattr(t, "id", "") for t in node.targets]:
            return list(ast.literal_eval(node.value))
    return []


def is_code(dependency: Any) -> bool:
    """Tell whether a dependency is a file or a folder of our own packages."""
    return isinstance(dependency, str) and dependency.split("/")[0] in PACKAGES


def differences(text: str, root: Path, folder: Path = Path()) -> Iterator[str]:
    """Yield one line for each stage and thing that a dvc.yaml in a folder and the code do not agree on."""
    for name, stated in yaml.safe_load(text)[STAGES].items():
        stage = definition(name, stated, folder)
        if not _file(stage.program, root).is_file():
            yield f"{name}: there is no {_file(stage.program or name, Path())}"
            continue
        listed = [path for path in stage.listed.get("deps", []) if stage.is_code(path)]
        yield from _difference(f"{name}: deps", listed, stage.code(root))
        yield from _difference(f"{name}: params", stage.listed.get("params", []), stage.params(root))


def _file(program: str, root: Path) -> Path:
    return root / STAGES / f"{program}.py"


def _difference(what: str, listed: list[str], wanted: list[str]) -> Iterator[str]:
    missing, surplus = sorted(set(wanted) - set(listed)), sorted(set(listed) - set(wanted))
    if missing:
        yield f"{what} lack {', '.join(missing)}"
    if surplus:
        yield f"{what} have {', '.join(surplus)} too many"
    if not missing and not surplus and listed != wanted:
        yield f"{what} are in another order"


def rewritten(text: str, root: Path, folder: Path = Path()) -> str:
    """Return a dvc.yaml's text with every stage's code and params as they should be; other lines stay.

    Data dependencies keep their order and comments; the code follows them, sorted.
    """
    lines = text.splitlines()
    document: Any = yaml.compose(text)
    stated = yaml.safe_load(text)[STAGES]
    stages = next(value for key, value in document.value if key.value == STAGES)
    for name_node, node in reversed(stages.value):
        stage = definition(name_node.value, stated[name_node.value], folder)
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
            [_edit(inner, "deps", code, lines, stage.is_code), _edit(inner, "params", params, lines)],
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
