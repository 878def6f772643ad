import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.reporting.cut_out import PADDING, cut_out


@given(
    st.tuples(st.integers(0, 90), st.integers(0, 60)),
    st.tuples(st.integers(2, 150), st.integers(2, 150)),
    st.floats(1, 3),
    st.sampled_from([0.5, 0.78, 1.0]),
)
def test_a_cut_out_shows_the_box_and_what_is_around_it(corner, size, context, aspect):
    picture = np.random.default_rng(0).integers(0, 200, (80, 120, 3), dtype=np.uint8)
    box = np.array([*corner, *(np.array(corner) + size)], dtype=float)
    cut, inner = cut_out(picture, box, context, aspect)
    assert abs(cut.shape[1] / cut.shape[0] - aspect) <= 1.5 / cut.shape[0]
    left, upper, right, lower = inner.astype(int)
    assert 0 <= left <= right <= cut.shape[1] and 0 <= upper <= lower <= cut.shape[0]
    inside = np.minimum(box, [120, 80, 120, 80]).astype(int)
    seen = cut[upper : upper + inside[3] - inside[1], left : left + inside[2] - inside[0]]
    np.testing.assert_array_equal(seen, picture[inside[1] : inside[3], inside[0] : inside[2]])


def test_a_cut_out_stays_inside_the_picture_where_it_can():
    picture = np.zeros((80, 120, 3), dtype=np.uint8)
    for box in ([0, 0, 20, 40], [100, 40, 120, 80], [50, 20, 70, 60]):
        cut, _ = cut_out(picture, np.array(box, dtype=float), 1.5, 0.8)
        assert (cut == 0).all()
    cut, _ = cut_out(picture, np.array([0.0, 0.0, 120.0, 80.0]), 1.5, 0.8)
    assert (cut == PADDING).any()
