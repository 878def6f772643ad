"""What sources need: no PyTorch, and PyAV only where a video is read."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MODULES = sorted(
    path.stem for path in (ROOT / "person_search" / "sources").glob("*.py") if path.stem != "__init__"
)


@pytest.mark.parametrize("unwanted", [("torch", "torchvision", "av", "pyarrow", "h5py", "scipy", "pydantic")])
def test_nothing_heavy_is_imported(unwanted):
    imports = "; ".join(f"import person_search.sources.{name}" for name in MODULES)
    code = f"{imports}; import sys; sys.exit(' '.join(set(sys.modules) & set({unwanted!r})) or 0)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
