"""The Python of docs/own-pictures.md runs as it stands."""

import re
from pathlib import Path

import numpy as np
from PIL import Image

PAGE = Path(__file__).parents[2] / "docs/own-pictures.md"


def test_the_lines_run(weights, tmp_path, monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(code.splitlines()) <= 12
    (tmp_path / "models/students").mkdir(parents=True)
    (tmp_path / "models/students/kd_lut.safetensors").write_bytes(weights.read_bytes())
    for seed, name in enumerate(("street.jpg", "holiday/a.jpg", "holiday/b.jpg")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        values = np.random.default_rng(seed).integers(0, 255, (240, 320, 3), dtype=np.uint8)
        Image.fromarray(values).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    found = {}
    exec(compile(code, str(PAGE), "exec"), found)
    assert len(found["rows"]) == 1
    assert len(found["detections"]) == len(found["people"])
    hits = [line for line in capsys.readouterr().out.splitlines() if "holiday/" in line]
    assert len(hits) == 5
