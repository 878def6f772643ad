"""Which of the project's own modules run when one of them is imported, read from the code."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("pipeline", "stages")
"""The packages whose files are dependencies of stages."""


def import_closure(module: str, root: Path) -> set[str]:
    """Return the files that importing a module runs: its own, what it imports, and so on.

    Imports are taken wherever they stand, inside functions too, so that nothing that can run is missed. The
    `__init__.py` of every package on the way runs as well.

    Args:
        module: dotted name, `stages.crop`.
        root: the folder that holds the packages.

    Returns:
        Paths relative to `root`, with forward slashes.
    """
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        for part in _with_packages(name):
            path = _file_of(part, root)
            if path is None or path.relative_to(root).as_posix() in found:
                continue
            found.add(path.relative_to(root).as_posix())
            waiting += imported_names(path, part)
    return found


def imported_names(path: Path, module: str) -> Iterator[str]:
    """Yield the dotted names that a file's imports may mean, of our packages only.

    `from a.b import c` may mean the module `a.b.c` as well as a name in `a.b`: both are yielded.
    """
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] in PACKAGES)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    """Return the absolute name of what an import is from; one leading dot is the package itself."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    kept = parts[: len(parts) - (node.level - 1)]
    return ".".join([*kept, *([node.module] if node.module else [])])


def _with_packages(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


def _file_of(module: str, root: Path) -> Path | None:
    path = root.joinpath(*module.split("."))
    for candidate in (path / "__init__.py", path.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None
