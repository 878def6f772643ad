"""What `pip install .` installs works without the checkout: presets, stages and the page are there."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PACKAGED = ("pipeline", "stages", "commands", "person_search", "presets")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that holds what the project's wheel holds."""
    here = tmp_path_factory.mktemp("installed")
    source = here / "source"  # a build leaves folders behind, which are not to be in the checkout
    for folder in PACKAGED:
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    subprocess.run([*build, "--wheel-dir", str(here), str(source)], check=True)
    (wheel,) = here.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(here / "packages")
    shutil.rmtree(source)
    return here / "packages"


def run(installed, cwd, *arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_is_installed_is_run(installed, tmp_path):
    code = "import commands, pipeline, stages; print(commands.__file__, pipeline.__file__, stages.__file__)"
    said = run(installed, tmp_path, "-c", code)
    assert said.stdout.split() == [
        str(installed / name / "__init__.py") for name in ("commands", "pipeline", "stages")
    ]


def test_every_module_and_every_other_file_of_the_packages_is_there(installed):
    for folder in PACKAGED:
        files = {
            path.relative_to(ROOT)
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and path.suffix != ".pyc"
        }
        assert files <= {path.relative_to(installed) for path in (installed / folder).rglob("*")}


def test_a_preset_is_written(installed, tmp_path):
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    said = run(installed, tmp_path, "-m", "commands.main", "preset", "synthetic")
    assert said.returncode == 0, said.stderr
    assert yaml.safe_load((tmp_path / "params.yaml").read_text()) == yaml.safe_load(
        (ROOT / "params.yaml").read_text()
    )


def test_a_stage_and_its_page_are_there(installed, tmp_path):
    said = run(installed, tmp_path, "-m", "stages.report", "--help")
    assert said.returncode == 0, said.stderr
    assert "--ablation" in said.stdout
    code = "from pipeline.reporting.page import TEMPLATE; print(TEMPLATE, TEMPLATE.is_file())"
    assert run(installed, tmp_path, "-c", code).stdout.split() == [
        str(installed / "pipeline/reporting/page.html"),
        "True",
    ]
