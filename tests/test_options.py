"""Options from what a user wrote: strict types, named keys, sections put over each other."""

import re

import pytest
from dvc.utils.serialize import load_yaml, modify_yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from pipeline.basics.errors import UserError
from pipeline.basics.options import Options, merged, parse_options, read_yaml
from pipeline.training.reid import ReidTrainingOptions
from pipeline.training.student.options import StudentOptions
from tests.tiny import reid_options, search_options, training_options


class Inner(Options):
    depth: int = Field(default=1, gt=0)
    ratio: float = 0.5


class Outer(Options):
    name: str
    inner: Inner = Inner()
    sizes: list[int] = Field(default=[])
    parts: list[Inner] = Field(default=[])
    other: Inner | None = None


def problem(values, model=Outer):
    with pytest.raises(UserError) as error:
        parse_options(model, values, "params.yaml: outer")
    line = str(error.value)
    assert line.startswith("params.yaml: outer: ")
    assert "\n" not in line
    return line


def test_good_values():
    options = parse_options(Outer, {"name": "a", "inner": {"depth": 2, "ratio": 1}}, "here")
    assert options == Outer(name="a", inner=Inner(depth=2, ratio=1.0))


def test_unknown_keys_are_named_with_those_that_there_are():
    assert "unknown parameter 'nme'; known here: inner, name, other, parts, sizes" in problem(
        {"name": "a", "nme": 1}
    )
    assert "unknown parameter 'inner.deep'; known here: depth, ratio" in problem(
        {"name": "a", "inner": {"deep": 1}}
    )


def test_unknown_keys_inside_a_list_and_an_optional_section():
    for values in ({"parts": [{}, {"deep": 1}]}, {"other": {"deep": 1}}):
        assert "known here: depth, ratio" in problem({"name": "a", **values})


def test_missing_keys_are_named():
    assert "parameter 'name' is missing" in problem({})


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"name": 1}, "'name'"),
        ({"name": "a", "inner": {"depth": "2"}}, "'inner.depth'"),
        ({"name": "a", "inner": {"depth": 2.0}}, "'inner.depth'"),
        ({"name": "a", "inner": {"depth": True}}, "'inner.depth'"),
        ({"name": "a", "inner": {"depth": 0}}, "'inner.depth'"),
        ({"name": "a", "inner": {"depth": {}}}, "'inner.depth'"),
        ({"name": "a", "inner": None}, "'inner'"),
        ({"name": "a", "sizes": [1, "2"]}, "'sizes.1'"),
    ],
)
def test_wrong_types_and_ranges_name_the_key(values, key):
    assert re.search(f"parameter {key}: .*, got ", problem(values))


def test_further_problems_are_named():
    line = problem({"name": 1, "inner": {"depth": 0}, "x": 1})
    assert line.endswith("other, parts, sizes (also wrong or missing: 'name', 'inner.depth')")


@pytest.mark.parametrize(
    ("training", "says"),
    [
        ({"warmup_steps": 9}, "parameter 'training': warmup_steps 9 is more than all 4 steps"),
        (
            {"momentum": 0.5},
            "'training.momentum' has no effect: only optimizer 'sgd' looks at it (it may be its default, "
            "0.9); leave it out",
        ),
        (
            {"decay_steps": [1]},
            "'training.decay_steps' has no effect: only schedule 'step' looks at it (it may be its default, "
            "[]); leave it out",
        ),
    ],
)
def test_what_a_whole_section_gets_wrong_is_said_without_the_section(training, says):
    values = student({}) | {"training": training_options(steps=4).model_dump() | training}
    line = problem(values, StudentOptions)
    assert says in line
    assert "{" not in line
    assert "Value error" not in line


def test_what_only_another_optimiser_and_schedule_look_at_is_taken_there():
    training = {"optimizer": "sgd", "momentum": 0.5, "schedule": "step", "decay_steps": [2]}
    values = student({}) | {"training": training_options(steps=4).model_dump() | training}
    assert parse_options(StudentOptions, values, "here").training.momentum == 0.5


def test_options_do_not_change():
    with pytest.raises(ValueError, match=r"frozen"):
        Inner().depth = 3


@pytest.mark.parametrize("values", [None, [], "text"])
def test_what_is_no_section(values):
    problem(values)


values = st.dictionaries(
    st.sampled_from("abc"),
    st.integers() | st.dictionaries(st.sampled_from("abc"), st.integers(), max_size=3),
    max_size=3,
)


@given(common=values, differing=values)
def test_merged_keeps_what_is_not_stated(common, differing):
    result = merged(common, differing)
    assert set(result) == set(common) | set(differing)
    for key, value in differing.items():
        both = isinstance(value, dict) and isinstance(common.get(key), dict)
        assert result[key] == ({**common[key], **value} if both else value)
    assert all(result[key] == common[key] for key in set(common) - set(differing))


@given(common=values)
def test_merging_with_nothing_changes_nothing(common):
    assert merged(common, {}) == common
    assert merged({}, common) == common
    assert merged(common, common) == common


def test_merged_leaves_its_arguments_alone():
    common, differing = {"a": {"b": 1}}, {"a": {"c": 2}}
    assert merged(common, differing) == {"a": {"b": 1, "c": 2}}
    assert (common, differing) == ({"a": {"b": 1}}, {"a": {"c": 2}})


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"seed": -1}, "seed"),
        ({"identity": {"target": "lut", "weight": -0.1}}, "identity.weight"),
        ({"identity": {"target": "none", "weight": 1.0}}, "identity.target"),
        ({"network": {**search_options().model_dump(), "embedding_dim": 0}}, "network.embedding_dim"),
        ({"training": {**training_options().model_dump(), "steps": 0}}, "training.steps"),
    ],
)
def test_student_options_out_of_range(change, key):
    good = {
        "seed": 0,
        "network": search_options().model_dump(),
        "training": training_options().model_dump(),
        "identity": {"target": "lut", "weight": 1.0},
    }
    parse_options(StudentOptions, good, "params.yaml: outer")
    assert f"'{key}'" in problem(good | change, StudentOptions)


@pytest.mark.parametrize("stated", [{}, {"identity": None}])
def test_a_student_may_leave_identity_out_beside_boxes_alone(stated):
    common = {"seed": 0, "network": search_options().model_dump()}
    common["training"] = training_options().model_dump()
    line = problem(common | stated, StudentOptions)
    assert line.endswith("parameter 'identity' is missing")
    options = parse_options(StudentOptions, common | stated | {"boxes": {"target": "kl"}}, "here")
    assert options.identity is None
    assert options.weights().keys() >= {"box_table"}
    assert "identity" not in options.weights()


GUIDED = {"head": "qeeps"}


@pytest.mark.parametrize(
    ("network", "stated", "key", "why"),
    [
        ({}, {"loss_weights": {"second_class": 1.0}}, "loss_weights.second_class", "has no such loss"),
        ({}, {"loss_weights": {"similarity": 0.0}}, "loss_weights.similarity", "has no such loss"),
        (GUIDED, {"loss_weights": {"second_box": 2.0}}, "loss_weights.second_box", "has no such loss"),
        (
            {"head": "seqnet"},
            {"loss_weights": {"query_objectness": 2.0}},
            "loss_weights.query_objectness",
            "has no such loss",
        ),
        (
            {**GUIDED, "guidance": {"similarity": "cosine"}},
            {"loss_weights": {"similarity": 2.0}},
            "loss_weights.similarity",
            "has no such loss",
        ),
        (
            {**GUIDED, "guidance": {"proposals": False}},
            {"loss_weights": {"query_objectness": 2.0}},
            "loss_weights.query_objectness",
            "has no such loss",
        ),
        ({**GUIDED, "roi": {"stride": 8}}, {}, "network.roi.stride", "pools at the stem's end, at 16"),
        ({}, {"absent_pairs": 0.0}, "absent_pairs", "no query guides a network with the head 'oim'"),
        ({"head": "seqnet"}, {"absent_pairs": 0.5}, "absent_pairs", "the head 'seqnet'"),
        ({"guidance": {"reduction": 4}}, {}, "network.guidance", "the head 'oim'"),
        ({"head": "seqnet", "guidance": {}}, {}, "network.guidance", "the head 'seqnet'"),
        ({}, {"identity": {"target": "cosine", "weight": 1.0, "scale": 30.0}}, "identity.scale", "'cosine'"),
        ({}, {"boxes": {"target": "relational", "sampled_rows": 8}}, "boxes.sampled_rows", "'relational'"),
        (
            {"embedding_dim": "table"},
            {"boxes": {"target": "cosine", "scale": 8.0}},
            "boxes.scale",
            "the target 'cosine'",
        ),
    ],
)
def test_what_has_no_effect_on_a_student_is_refused(network, stated, key, why):
    line = problem(student(network) | stated, StudentOptions)
    assert f"parameter '{key}' has no effect: " in line
    assert why in line
    assert line.endswith("; leave it out")


@pytest.mark.parametrize(
    ("network", "stated"),
    [
        ({"head": "seqnet"}, {"loss_weights": {"second_class": 2.0, "second_box": 0.0}}),
        (
            {**GUIDED, "guidance": {"reduction": 4}},
            {"absent_pairs": 0.5, "loss_weights": {"query_objectness": 2.0, "similarity": 0.5}},
        ),
        ({**GUIDED, "roi": {"stride": 16}}, {}),
        ({"head": "seqnet", "roi": {"stride": 8}}, {}),
        ({}, {"loss_weights": {"roi_box": 10.0}, "boxes": {"target": "kl", "scale": 8.0}}),
    ],
)
def test_what_has_an_effect_is_taken(network, stated):
    parse_options(StudentOptions, student(network) | stated, "here")


def test_an_unknown_head():
    line = problem(student({"head": "seqnett"}) | {"absent_pairs": 0.5}, StudentOptions)
    assert line == "params.yaml: outer: network.head: there is no 'seqnett'; known here: oim, seqnet, qeeps"


def student(network):
    """A student's settings with another network."""
    return {
        "seed": 0,
        "network": search_options().model_dump() | network,
        "training": training_options().model_dump(),
        "identity": {"target": "lut", "weight": 1.0},
    }


def test_all_that_has_no_effect_is_named():
    line = problem(student({}) | {"absent_pairs": 0.5, "loss_weights": {"similarity": 1.0}}, StudentOptions)
    assert line.endswith("leave it out (also wrong or missing: 'absent_pairs')")


@pytest.mark.parametrize(("key", "value"), [("seed", -1), ("crops_per_identity", 0)])
def test_reid_options_out_of_range(key, value):
    good = {"seed": 0, "network": reid_options().model_dump(), "training": training_options().model_dump()}
    parse_options(ReidTrainingOptions, good, "params.yaml: outer")
    assert f"'{key}'" in problem(good | {key: value}, ReidTrainingOptions)


@pytest.mark.parametrize(
    ("key", "value"), [("anchor_sizes", []), ("anchor_sizes", [0]), ("aspect_ratios", [])]
)
def test_an_rpn_needs_anchors(key, value):
    good = search_options().model_dump()
    assert f"'rpn.{key}" in problem({**good, "rpn": {**good["rpn"], key: value}}, type(search_options()))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-05", 1e-05),
        ("5e-1", 0.5),
        ("1E5", 1e5),
        ("-2e3", -2000.0),
        ("1e+16", 1e16),
        ("010", 10),
        ("0o10", 8),
        ("1:30", "1:30"),
        ("yes", "yes"),
        ("'1e5'", "1e5"),
        ("1e5x", "1e5x"),
        ("[1e-3, 2]", [0.001, 2]),
    ],
)
def test_values_are_read_as_dvc_reads_them(text, value, tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(f"a: {text}\n")
    assert read_yaml(path, "") == {"a": value}
    assert load_yaml(str(path)) == {"a": value}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_that_dvc_writes_is_the_same_number(tmp_path_factory, number):
    path = tmp_path_factory.mktemp("numbers") / "params.yaml"
    path.write_text("a: {b: 1}\n")
    with modify_yaml(str(path)) as values:
        values["a"]["b"] = number
    assert read_yaml(path, "") == {"a": {"b": number}}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: 1\nb: {}\na: 2\n", 'params.yaml, line 3: found duplicate key "a"'),
        (b"a:\n  b: 1\n  b: 1\n", "found duplicate key"),
        ("a: ä".encode("latin-1"), "is no text in UTF-8"),
        ("a: 1".encode("utf-16"), "is no text in UTF-8"),
        (
            b"a: [1, 2\nb: 3\n",
            "params.yaml is no valid YAML: line 2: expected ',' or ']', but got ':' while parsing a flow "
            "sequence that begins in line 1",
        ),
        (b"a: 1\n b: 2\n", "params.yaml is no valid YAML: line 2: mapping values are not allowed here"),
        (b"a: *x\n", "params.yaml is no valid YAML: line 1: found undefined alias 'x'"),
        (b"a: \x01\n", "params.yaml is no valid YAML: "),
        (b"a: 1\n---\nb: 2\n", "is no valid YAML"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(content, said, tmp_path):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=re.escape(said)) as error:
        read_yaml(path, "")
    assert "\n" not in str(error.value)


def test_a_byte_order_mark_and_other_line_ends_do_no_harm(tmp_path):
    (tmp_path / "params.yaml").write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert read_yaml(tmp_path / "params.yaml", "") == {"a": 1, "b": 2}


def test_a_folder_in_its_place(tmp_path):
    with pytest.raises(UserError, match="is no file"):
        read_yaml(tmp_path, "")
    with pytest.raises(UserError, match="absent"):
        read_yaml(tmp_path / "params.yaml", "absent")
