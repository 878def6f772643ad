"""Which files are videos, by their first bytes and their names."""

from pathlib import Path

from pipeline.datasets.picture_kinds import HEAD, VIDEO, kind_by_suffix, unread_kind

SUFFIXES = (
    *(".264", ".265", ".avs", ".dav", ".divx", ".f4v", ".h264", ".h265", ".hevc", ".ivf", ".m2v"),
    *(".mjpeg", ".mjpg", ".mxf", ".vob", ".y4m"),
)
"""Names of videos beyond those that `kind_by_suffix` knows."""
AUDIO_BRANDS = (b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B ")
"""The four bytes behind `ftyp` of files that hold sound alone."""
STARTS = (b"YUV4MPEG2 ", b"DKIF\0\0", b"\x06\x0e\x2b\x34\x02\x05\x01\x01", b"\0\0\x01\xb3")
"""First bytes of Y4M, IVF, MXF and MPEG video."""
TS_SYNC, TS_PACKETS = 0x47, ((188, 0), (192, 4))
"""The byte that begins each packet of an MPEG transport stream; the packets' lengths and where it stands."""
TS_CHECKED = 4
"""How many packets are looked at."""


def is_video(path: Path) -> bool:
    """Return whether a file is a video by its first bytes or, where it can be read, by its name."""
    try:
        with path.open("rb") as file:
            head = file.read(max(length for length, _ in TS_PACKETS) * TS_CHECKED)
    except OSError:
        return False
    if head[4:8] == b"ftyp" and head[8:12] in AUDIO_BRANDS:
        return False
    by_content = unread_kind(head[:HEAD]) == VIDEO or head.startswith(STARTS) or _is_transport_stream(head)
    return by_content or kind_by_suffix(path.name) == VIDEO or path.suffix.lower() in SUFFIXES


def _is_transport_stream(head: bytes) -> bool:
    return any(
        len(head) >= length * TS_CHECKED
        and all(head[start + length * number] == TS_SYNC for number in range(TS_CHECKED))
        for length, start in TS_PACKETS
    )
