"""Which of the project's own modules run when one of them is imported, read from the code."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grimp import ImportGraph, build_graph

PACKAGES = ("pipeline", "stages")
"""The packages whose files are dependencies of stages."""


def import_closure(module: str, root: Path) -> set[str]:
    """Return the files that importing a module runs: its own, those of the modules it imports, and so on.

    Imports inside functions count too, so that nothing that can run is missed. The `__init__.py` of every
    package on the way runs as well.

    Args:
        module: dotted name, `stages.crop`.
        root: the folder that holds the packages.

    Returns:
        Paths relative to `root`, with forward slashes.
    """
    graph = import_graph(root)
    found: set[str] = set()
    waiting = {module}
    while waiting:
        name = waiting.pop()
        found.add(name)
        package = name.rpartition(".")[0]
        waiting |= ({package} if package else set()) | graph.find_modules_directly_imported_by(name)
        waiting -= found
    return {_file_of(name, root) for name in found}


def import_graph(root: Path) -> ImportGraph:
    """Return which module below `root` imports which."""
    with _found_first(root):
        return build_graph(*PACKAGES, cache_dir=None)


@contextmanager
def _found_first(root: Path) -> Iterator[None]:
    """Let Python find the packages below `root`, even where it has imported others of these names."""
    imported = {name: sys.modules.pop(name) for name in PACKAGES if name in sys.modules}
    sys.path.insert(0, str(root.resolve()))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.pop(0)
        sys.modules.update(imported)


def _file_of(module: str, root: Path) -> str:
    path = Path(*module.split("."))
    package = path / "__init__.py"
    return (package if (root / package).is_file() else path.with_suffix(".py")).as_posix()
