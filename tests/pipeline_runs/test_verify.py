"""What is damaged is found: in outputs, in DVC's cache, in every kind of file."""

import os
import pickle
import random

import h5py
import pytest
import yaml
from click.testing import CliRunner
from dvc.repo import Repo

from commands.main import main
from commands.verification import Output, check_output, md5_of
from pipeline.basics.errors import UserError
from pipeline.evaluation.detections_file import read_detections
from pipeline.lookup_table import read_lookup_table
from pipeline.models.heads import load_student
from pipeline.scenes.prepared import open_prepared

FLIPS = 50
SHARD = "data/prepared/train-images-00000.h5"
TABLE = "artifacts/id_lut.h5"
WEIGHTS = "models/students/kd_lut.safetensors"
DETECTIONS = "results/students/kd_lut/detections.h5"
METRICS = "results/students/kd_lut/metrics.json"


def verify(project, *options, exit_code=0):
    return project.run("person-search", "verify", *options, exit_code=exit_code)


def flip(path, place):
    """Change one bit, as a bad disk does: neither time nor size says so."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << place % 8
    path.chmod(0o644)
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_all_is_well(finished):
    assert "all as dvc.lock says" in verify(finished)


@pytest.mark.parametrize(
    ("path", "restore"),
    [
        (SHARD, "rm -rf data/prepared && dvc checkout data/prepared"),
        (TABLE, f"rm -rf {TABLE} && dvc checkout {TABLE}"),
        (WEIGHTS, f"rm -rf {WEIGHTS} && dvc checkout {WEIGHTS}"),
        (METRICS, f"rm -rf {METRICS} && git checkout {METRICS}"),
    ],
)
def test_a_damaged_output_is_named_and_restored_as_said(project, path, restore):
    whole = (project.root / path).read_bytes()
    flip(project.root / path, len(whole) // 3)
    said = verify(project, "--no-cache", exit_code=1)
    assert f"{path}: not the file that dvc.lock names; `{restore}`" in said
    project.run("sh", "-c", restore)
    assert (project.root / path).read_bytes() == whole
    verify(project)


def test_files_that_came_to_a_folder_or_went(project):
    (project.root / "data/prepared/more.h5").write_bytes(b"more")
    (project.root / SHARD).unlink()
    said = verify(project, exit_code=1)
    assert "data/prepared/more.h5: no part of its folder" in said
    assert f"{SHARD}: gone from its folder" in said
    project.run("dvc", "checkout", "--force", "data/prepared")
    verify(project)


def test_a_damaged_object_of_the_cache(project):
    md5 = md5_of(project.root / TABLE)
    cached = f".dvc/cache/files/md5/{md5[:2]}/{md5[2:]}"
    flip(project.root / cached, 100)
    said = verify(project, exit_code=1)
    assert f"{cached}: a damaged object of DVC's cache; `rm -f {cached}`" in said
    assert "1 of" in said
    verify(project, "--no-cache")


def test_an_object_is_named_before_the_output_that_is_restored_from_it(project):
    md5 = md5_of(project.root / WEIGHTS)
    cached = f".dvc/cache/files/md5/{md5[:2]}/{md5[2:]}"
    for path in (WEIGHTS, cached):
        flip(project.root / path, 100)
    said = verify(project, exit_code=1)
    assert said.index(f"{cached}: a damaged object") < said.index(f"{WEIGHTS}: not the file")


def test_a_damaged_list_of_a_folder(project):
    (listing,) = [
        path
        for path in (project.root / ".dvc/cache/files/md5").rglob("*.dir")
        if b"manifest" in path.read_bytes() and b"val.h5" in path.read_bytes()
    ]
    flip(listing, 20)
    said = verify(project, exit_code=1)
    assert "data/prepared: the list of its files in DVC's cache" in said


def test_what_git_keeps_and_is_gone(project):
    (project.root / METRICS).unlink()
    said = verify(project, "--no-cache", exit_code=1)
    assert f"{METRICS}: gone, although git keeps it; `git checkout {METRICS}`" in said


def test_a_disk_that_does_not_give_a_file_does_not_hide_what_else_is_damaged(project):
    """As the disk does, reading it is an input/output error."""
    (project.root / WEIGHTS).unlink()
    (project.root / WEIGHTS).symlink_to("/proc/self/mem")
    flip(project.root / TABLE, 100)
    said = verify(project, "--no-cache", exit_code=1)
    assert f"{WEIGHTS}: cannot be read (Input/output error); `rm -rf {WEIGHTS}" in said
    assert f"{TABLE}: not the file that dvc.lock names" in said


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    """Nor is anything advised that would remove it."""
    path = tmp_path / "id_lut.h5"
    path.write_bytes(b"content")
    output = Output(path, md5_of(path))

    def refused(*_arguments):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(type(path), "open", refused)
    (finding,) = check_output(output, tmp_path)
    assert (finding.kind, finding.what) == ("unread", "cannot be read (Permission denied)")


def test_a_link_whose_file_is_gone_is_restored(tmp_path):
    path = tmp_path / "id_lut.h5"
    path.symlink_to("gone")
    (finding,) = check_output(Output(path, "0" * 32), tmp_path)
    assert finding.kind == "damaged"
    assert "a link to gone, which is gone; `rm -rf" in finding.what


@pytest.mark.parametrize("name", ["features", "person_ids", "counts"])
def test_every_chunk_is_read_of_what_was_damaged_before_it_was_recorded(name, finished, tmp_path):
    """Then its hash is right."""
    path = tmp_path / "id_lut.h5"
    path.write_bytes((finished.root / TABLE).read_bytes())
    with h5py.File(path) as file:
        place = file[name].id.get_chunk_info(0).byte_offset
    flip(path, place)
    (finding,) = check_output(Output(path, md5_of(path)), tmp_path)
    assert finding.kind == "damaged"
    assert "as it was recorded, but" in finding.what


def test_a_date_that_is_none(project):
    (project.root / "params.yaml").write_text("infer: 2024-13-45\n")
    said = verify(project, exit_code=2)
    assert said.startswith("Error: ")
    assert len(said.splitlines()) == 1


def test_a_clone_without_data_is_not_damaged(project, tmp_path):
    clone = project.clone(tmp_path / "clone", tmp_path / "remote")
    said = verify(clone)
    (line,) = [line for line in said.splitlines() if line.startswith("not here, so not checked: ")]
    assert WEIGHTS in line and "`dvc pull` or `dvc repro`" in line
    assert "all as dvc.lock says; outputs not here: " in said


@pytest.mark.parametrize("kept", [0, 0.5])
def test_a_lock_file_that_is_gone_or_torn_is_no_all_is_well(project, kept):
    path = project.root / "dvc.lock"
    stages = yaml.safe_load(path.read_text())
    stages["stages"] = dict(list(stages["stages"].items())[: int(len(stages["stages"]) * kept)])
    path.write_text(yaml.safe_dump(stages))
    if not kept:
        path.unlink()
    said = verify(project, "--no-cache", exit_code=1)
    assert "not in dvc.lock" in said
    assert "`git checkout dvc.lock`" in said
    project.run("git", "checkout", "dvc.lock")
    verify(project)


def test_outside_a_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    advice = "run this in a checkout of the project\n"
    result = CliRunner().invoke(main, ["verify"])
    assert result.exit_code == 2
    assert result.stderr == f"Error: no project here, nor in a folder above; {advice}"
    Repo.init(no_scm=True).close()
    assert CliRunner().invoke(main, ["verify"]).stderr == f"Error: {tmp_path} has no stages; {advice}"


READERS = {
    SHARD: lambda root: [
        bytes(open_prepared(root / "data/prepared").images("train")[index])
        for index in range(len(open_prepared(root / "data/prepared").split("train").scenes))
    ],
    "data/prepared/test.h5": lambda root: pickle.dumps(open_prepared(root / "data/prepared").split("test")),
    "data/prepared/manifest.json": lambda root: repr(open_prepared(root / "data/prepared").manifest),
    TABLE: lambda root: pickle.dumps(read_lookup_table(root / TABLE)),
    WEIGHTS: lambda root: pickle.dumps(load_student(root / WEIGHTS).state_dict()),
    DETECTIONS: lambda root: pickle.dumps(read_detections(root / DETECTIONS)),
}


@pytest.mark.parametrize("path", READERS)
def test_a_flipped_bit_is_never_a_silent_other_result(project, path, record_property):
    """At each of many places: refused when it is read, or read as it was and found by `verify`'s hash."""
    file, read = project.root / path, READERS[path]
    content, whole, md5 = file.read_bytes(), read(project.root), md5_of(file)
    places = random.Random(0).sample(range(len(content)), FLIPS)
    refused = 0
    for place in places:
        file.unlink()
        file.write_bytes(content)
        flip(file, place)
        try:
            assert read(project.root) == whole
        except UserError:
            refused += 1
        assert md5_of(file) != md5
    record_property("refused when read", f"{path}: {refused} of {FLIPS}")
    assert refused
