import pytest

from benchmarks.generated import CUHK_LARGEST_MATCHES, generate, with_pairs
from pipeline.evaluation.metrics import EvaluationOptions, evaluate
from tests.evaluation import slow_pairs, slow_reference


@pytest.mark.parametrize(("kind", "gallery"), [("prw", "full"), ("cuhk_sysu", "50")])
def test_a_generated_set_is_scored_as_the_plain_loops_do(kind, gallery):
    drawn = generate(kind, scenes=120, detections=500, queries=6)
    again = generate(kind, scenes=120, detections=500, queries=6)
    assert (drawn.detections.gallery_feats == again.detections.gallery_feats).all()
    assert len(drawn.detections.gallery_dets) == 500
    got = evaluate(drawn.split, drawn.detections, EvaluationOptions(), kind)
    wanted = slow_reference.search(drawn.split, drawn.detections, gallery, 0.5)
    assert got["search_by_gallery"][gallery] == pytest.approx(wanted, abs=1e-6)
    matches = (
        drawn.split.galleries[gallery].positive_offsets[1:]
        - drawn.split.galleries[gallery].positive_offsets[:-1]
    )
    if kind == "cuhk_sysu":
        assert 1 <= matches.min() <= matches.max() <= CUHK_LARGEST_MATCHES
    else:
        assert matches.min() > CUHK_LARGEST_MATCHES


def test_generated_pairs_are_scored_as_the_plain_loops_do():
    drawn = with_pairs(generate("cuhk_sysu", scenes=120, detections=500, queries=6), "100", boxes=7)
    assert len(drawn.detections.pair_dets) == 7 * len(drawn.detections.pair_queries) == 7 * 6 * 100
    got = evaluate(drawn.split, drawn.detections, EvaluationOptions(), "cuhk_sysu")
    wanted = slow_pairs.search(drawn.split, drawn.detections, "100", 0.5)
    assert got["search"] == pytest.approx(wanted, abs=1e-9)
    assert 0 < got["search"]["mAP"] < 1
