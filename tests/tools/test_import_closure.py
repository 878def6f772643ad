"""The closure of imports, of packages that a test writes."""

import sys

import pytest

import pipeline
from tools.import_closure import import_closure


@pytest.fixture
def tree(tmp_path):
    """Return a function that writes files of packages below a root and returns the root."""

    def write(**files):
        for name, content in {
            "stages__init": "",
            "pipeline__init": "",
            "pipeline__sub__init": "",
            **files,
        }.items():
            path = tmp_path / f"{name.replace('__', '/')}.py"
            path = path.parent / "__init__.py" if path.stem == "init" else path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return tmp_path

    return write


def modules(root):
    """The closure of `stages.a` but for the empty files of packages."""
    return {
        path
        for path in import_closure("stages.a", root)
        if (root / path).stat().st_size or "__init__" not in path
    }


def test_follows_imports_of_imports(tree):
    root = tree(
        stages__a="import pipeline.b\n", pipeline__b="from pipeline.c import x\n", pipeline__c="x = 1\n"
    )
    assert modules(root) == {"stages/a.py", "pipeline/b.py", "pipeline/c.py"}


def test_packages_run_too_with_what_they_import(tree):
    root = tree(
        stages__a="from pipeline.sub.c import x\n",
        pipeline__init="import pipeline.z\n",
        pipeline__sub__c="",
        pipeline__z="",
    )
    assert import_closure("stages.a", root) == {
        "stages/__init__.py",
        "stages/a.py",
        "pipeline/__init__.py",
        "pipeline/z.py",
        "pipeline/sub/__init__.py",
        "pipeline/sub/c.py",
    }


@pytest.mark.parametrize(
    "line",
    [
        "from pipeline import b",
        "try:\n    import pipeline.b\nexcept ImportError:\n    pass",
        "from pipeline.b import anything",
        "import pipeline.b as other",
        "def f():\n    import pipeline.b",
        "class A:\n    def f(self):\n        from pipeline.b import x",
        "if 1:\n    from pipeline import c, b",
    ],
)
def test_every_way_to_import(tree, line):
    root = tree(stages__a=line, pipeline__b="", pipeline__c="")
    assert "pipeline/b.py" in import_closure("stages.a", root)


@pytest.mark.parametrize(
    "line", ["from . import c", "from .c import x", "from ..d import y\nfrom .c import x"]
)
def test_relative_imports(tree, line):
    root = tree(stages__a="import pipeline.sub.b", pipeline__sub__b=line, pipeline__sub__c="", pipeline__d="")
    assert "pipeline/sub/c.py" in import_closure("stages.a", root)


def test_relative_import_of_a_parent(tree):
    root = tree(stages__a="import pipeline.sub.b", pipeline__sub__b="from ..d import x", pipeline__d="")
    assert "pipeline/d.py" in import_closure("stages.a", root)


def test_relative_import_within_a_package_file(tree):
    root = tree(stages__a="import pipeline.sub", pipeline__sub__init="from .c import x", pipeline__sub__c="")
    assert "pipeline/sub/c.py" in import_closure("stages.a", root)


def test_leaves_other_packages_out_and_ends_on_circles(tree):
    root = tree(
        stages__a="import os, torch\nimport pipeline.b",
        pipeline__b="import pipeline.c",
        pipeline__c="import pipeline.b",
    )
    assert modules(root) == {"stages/a.py", "pipeline/b.py", "pipeline/c.py"}


def test_what_was_imported_before_is_neither_looked_at_nor_lost(tree):
    root = tree(stages__a="import pipeline.b", pipeline__b="")
    assert modules(root) == {"stages/a.py", "pipeline/b.py"}
    assert sys.modules["pipeline"] is pipeline
    assert str(root) not in sys.path
