"""What is at a path: whether a file is there, of which kind its first bytes are, and how to get it back."""

import errno
import stat
import struct
import zipfile
from pathlib import Path

from pipeline.basics.errors import UserError

EMPTY = "empty (0 bytes)"
HDF5 = "an HDF5 file"
NPZ = "a NumPy archive (.npz)"
NPY = "a single NumPy array (.npy)"
SAFETENSORS = "a file of weights (safetensors)"
ZIP = "a ZIP archive"

HDF5_BEGINNING = b"\x89HDF\r\n\x1a\n"
HDF5_PLACES = (0, 512, 1024, 2048)
"""Where the beginning of an HDF5 file may be: another program's bytes may stand before it."""
BEGINNINGS = {
    b"\x93NUMPY": NPY,
    b"MATLAB ": "a MATLAB file (.mat)",
    b"version https://git-lfs": "a pointer of Git LFS (`git lfs pull` brings the file itself)",
    **{bytes((0x80, protocol)): "a pickle of Python objects" for protocol in range(2, 6)},
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ\0": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"PAR1": "a Parquet file",
    b"SQLite format 3\0": "an SQLite data base",
}
ZIP_BEGINNINGS = (b"PK\x03\x04", b"PK\x05\x06")
HEAD_BYTES = HDF5_PLACES[-1] + len(HDF5_BEGINNING)
LONGEST_HEADER = 100_000_000
"""Bytes that the header of a safetensors file may have."""
OF_WRONG_PLACES = (None, errno.EINVAL, errno.EFAULT, errno.EOVERFLOW)
"""Error numbers of a reader that found damage, or that damaged bytes sent to a place outside the file."""


def check_is_file(path: Path, absent: str) -> None:
    """Check that a regular file is at a path and can be opened.

    Args:
        path: where it should be.
        absent: the whole line for a path at which nothing is.

    Raises:
        UserError: nothing is there, or a folder, or a link to nothing.
        OSError: the system does not let it be read; the error names the path.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            raise UserError(f"{path} is a link to {path.readlink()}, which does not exist") from None
        raise UserError(absent) from None
    if stat.S_ISDIR(mode):
        raise UserError(f"{path} is a folder; give a file")
    if not stat.S_ISREG(mode):
        raise UserError(f"{path} is a pipe or a device; give a file")
    path.open("rb").close()


def kind_of(path: Path) -> str | None:
    """Return of which kind the file at a path is, in words that follow "it is"; None for an unknown kind.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        return EMPTY
    if head.startswith(ZIP_BEGINNINGS):
        return _kind_of_zip(path)
    return _kind_of_binary(head) or _kind_of_text(head)


def is_refused(error: BaseException) -> bool:
    """Tell whether the system refused to read a file, which says nothing about the file's content."""
    return isinstance(error, OSError) and error.errno not in OF_WRONG_PLACES


def restoring(path: Path, again: str) -> str:
    """Return what to do about a damaged file. Outside a project, DVC cannot restore it.

    Args:
        path: the file.
        again: the command that makes it.
    """
    here = path.parent.resolve()
    if any((folder / ".dvc").is_dir() for folder in (here, *here.parents)):
        return f"restore it with `dvc checkout`, or make it again with `{again}`"
    return "get it again from where it came from"


def _kind_of_binary(head: bytes) -> str | None:
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < LONGEST_HEADER:
        return SAFETENSORS
    for beginning, kind in BEGINNINGS.items():
        if head.startswith(beginning):
            return kind
    if any(head.startswith(HDF5_BEGINNING, place) for place in HDF5_PLACES):
        return HDF5
    if head[0] == 8 and head[2:3] == b"\x12":  # the fields `ir_version` and `producer_name`
        return "an ONNX model"
    return "a tar archive" if head[257:262] == b"ustar" else None


def _kind_of_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, OverflowError, struct.error):
        return f"{ZIP}, cut off or damaged"
    if any(name.endswith("data.pkl") for name in names):
        return "a PyTorch file (.pth)"
    return NPZ if any(name.endswith(".npy") for name in names) else ZIP


def _kind_of_text(head: bytes) -> str | None:
    try:
        text = head.decode() if len(head) < HEAD_BYTES else head[:-3].decode(errors="ignore")
    except UnicodeDecodeError:
        return None
    if not all(letter.isprintable() or letter.isspace() for letter in text):
        return None
    start = text.lstrip("\ufeff \t\r\n").lower()
    if start.startswith(("<!doctype html", "<html")):
        return "a web page (HTML)"
    return "a JSON text" if start.startswith(("{", "[")) else "a text"
