"""Whatever a params.yaml holds, checking it ends well or in a user's error."""

import contextlib
import copy
from pathlib import Path

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from commands.parameter_checks import check_parameters
from pipeline.basics.errors import UserError
from stages.support.parameters import read_parameters
from tests.fuzzing.bytes_changed import damaged
from tests.pipeline_runs.tiny_parameters import ROOT

WHOLE = yaml.safe_load((ROOT / "params.yaml").read_text())
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.one_of(st.integers(-2, 300), st.text(max_size=3)), max_size=3),
    st.dictionaries(st.one_of(st.text(max_size=8), st.integers(), st.none()), st.integers(), max_size=2),
    st.dates(),
)


def places(values, above=()):
    """Every key of a tree of sections, as a path."""
    for key, value in values.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from places(value, (*above, key))


@settings(max_examples=300)
@given(data=st.data())
def test_odd_values_are_taken_or_refused(data):
    values = copy.deepcopy(WHOLE)
    for _ in range(data.draw(st.integers(1, 2))):
        *above, key = data.draw(st.sampled_from(sorted(places(values), key=str)))
        section = values
        for name in above:
            section = section[name]
        change = data.draw(st.sampled_from(("replace", "remove", "add")))
        if change == "remove":
            del section[key]
        elif change == "replace":
            section[key] = data.draw(ODD)
        else:
            section[data.draw(st.one_of(st.text(max_size=8), st.integers()))] = data.draw(ODD)
    try:
        check_parameters(values, Path("params.yaml"))
    except UserError as error:
        assert str(error).startswith("params.yaml: ")


TAGS = (
    "",
    "!!int ",
    "!!float ",
    "!!bool ",
    "!!timestamp ",
    "!!binary ",
    "!!null ",
    "!!set ",
    "!!python/name:os ",
)
NUMBERS = st.text("0123456789_-:.xobeTZ+", max_size=12)
"""What PyYAML may take for a number or a date, and Python may not."""


@settings(max_examples=200)
@given(tag=st.sampled_from(TAGS), text=st.one_of(NUMBERS, st.text(max_size=8)))
@example(tag="", text="2024-13-45")
@example(tag="", text="0x_")
@example(tag="!!bool ", text="x")
@example(tag="!!timestamp ", text="x")
@example(tag="", text="9" * 5000)
@example(tag="", text="[" * 3000)
def test_any_text_as_a_value_is_taken_or_refused(tag, text, tmp_path_factory):
    path = tmp_path_factory.mktemp("p") / "params.yaml"
    path.write_text(f"infer:\n  batch_size: {tag}{text}\n", encoding="utf-8", errors="surrogatepass")
    with contextlib.suppress(UserError):
        check_parameters(read_parameters(path), path)


@settings(max_examples=150)
@given(content=damaged((ROOT / "params.yaml").read_bytes()))
def test_a_damaged_file_is_taken_or_refused(content, tmp_path_factory):
    path = tmp_path_factory.mktemp("p") / "params.yaml"
    path.write_bytes(content)
    with contextlib.suppress(UserError):
        check_parameters(read_parameters(path), path)
