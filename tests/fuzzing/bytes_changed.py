"""Bytes with faults in them: what a broken disk, a cut-off copy or a wrong program leaves."""

from hypothesis import strategies as st


@st.composite
def damaged(draw, content: bytes) -> bytes:
    """`content` with some bytes changed, a stretch cut out or put in, or its end gone."""
    result = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(("change", "cut", "put in", "end")))
        place = draw(st.integers(0, max(0, len(result) - 1)))
        if kind == "change" and result:
            result[place] = draw(st.integers(0, 255))
        elif kind == "cut":
            del result[place : place + draw(st.integers(1, 64))]
        elif kind == "put in":
            result[place:place] = draw(st.binary(min_size=1, max_size=16))
        else:
            del result[place:]
    return bytes(result)
