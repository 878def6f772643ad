import pytest

from tools.import_closure import import_closure


@pytest.fixture
def tree(tmp_path):
    """Return a function that writes files below a root and returns the root."""

    def write(**files):
        for name, content in files.items():
            path = tmp_path / f"{name.replace('__', '/')}.py"
            path = path.parent / "__init__.py" if path.stem == "init" else path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return tmp_path

    return write


def test_follows_imports_of_imports(tree):
    root = tree(
        stages__a="import pipeline.b\n", pipeline__b="from pipeline.c import x\n", pipeline__c="x = 1\n"
    )
    assert import_closure("stages.a", root) == {"stages/a.py", "pipeline/b.py", "pipeline/c.py"}


def test_packages_run_too_with_what_they_import(tree):
    root = tree(
        stages__a="from pipeline.sub.c import x\n",
        stages__init="",
        pipeline__init="import pipeline.z\n",
        pipeline__sub__init="",
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
        "from pipeline.b import anything",
        "import pipeline.b as other",
        "def f():\n    import pipeline.b",
        "if 1:\n    from pipeline import c, b",
    ],
)
def test_every_way_to_import(tree, line):
    assert "pipeline/b.py" in import_closure("stages.a", tree(stages__a=line, pipeline__b=""))


@pytest.mark.parametrize(
    "line", ["from . import c", "from .c import x", "from ..pipeline_of import y\nfrom .c import x"]
)
def test_relative_imports(tree, line):
    root = tree(stages__a="import pipeline.sub.b", pipeline__sub__b=line, pipeline__sub__c="")
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
    assert import_closure("stages.a", root) == {"stages/a.py", "pipeline/b.py", "pipeline/c.py"}
