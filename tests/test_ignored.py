"""What git is to ignore, it ignores as a link to another disk as well."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("folder", "path"),
    [
        ("", ".venv"),
        ("", "checkpoints"),
        ("ablation", "data_0/checkpoints"),
        ("own_data", "data_labelled/checkpoints"),
        ("own_data", "data_labelled/data"),
        ("own_data", "teachers"),
        ("own_data", "weights"),
    ],
)
@pytest.mark.parametrize("linked", [False, True])
def test_a_folder_or_a_link_to_one(folder, path, linked, tmp_path):
    project = tmp_path / "project"
    place = project / folder / path
    place.parent.mkdir(parents=True)
    shutil.copy(ROOT / folder / ".gitignore", project / folder)
    if linked:
        (tmp_path / "elsewhere").mkdir()
        place.symlink_to(tmp_path / "elsewhere")
    else:
        place.mkdir()
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    subprocess.run(["git", "check-ignore", "--quiet", str(place)], cwd=project, check=True)
