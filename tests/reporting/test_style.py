import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from pipeline.reporting.style import NO_GLYPH, drawable, drawing, legend_text, png

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("text", ["plain", "cash_$1^$", "café ✓ … □", "a\nb"])
def test_what_the_font_has_is_drawn_as_it_is(text):
    assert drawable(text) == text


def test_what_the_font_lacks_is_a_box():
    assert drawable("假a🧍\ud800\x1b") == f"{NO_GLYPH}a{NO_GLYPH * 3}"


@pytest.mark.parametrize("text", ["$1^$", "$\\frac{$", "_{$x^$}", "假日", "नमस्ते", "\x07\udcff"])
def test_any_text_is_drawn_without_a_word(text):
    with warnings.catch_warnings(), drawing():
        warnings.simplefilter("error")
        figure = Figure(figsize=(3, 2))
        axes = figure.subplots()
        axes.plot([0, 1], label=legend_text(text))
        axes.legend(title=drawable(text))
        axes.set_xticks([0, 1], [drawable(text)] * 2)
        axes.set(title=drawable(text), xlabel=drawable(text))
        axes.annotate(drawable(text), (0.5, 0.5))
        figure.suptitle(drawable(text))
        assert png(figure)


def test_a_legend_shows_a_name_that_begins_with_an_underscore():
    with drawing():
        axes = Figure().subplots()
        axes.plot([0, 1], label=legend_text("_mine"))
        assert [text.get_text() for text in axes.legend().get_texts()] == [" _mine"]


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "qt4agg", "nonsense"])
def test_a_backend_that_is_not_here_does_no_harm(backend):
    command = "import pipeline.reporting.style"
    subprocess.run(
        [sys.executable, "-c", command], env=os.environ | {"MPLBACKEND": backend}, cwd=ROOT, check=True
    )


def test_noise_is_rounded_to_fewer_shades_until_the_file_is_small_enough():
    figure = Figure(figsize=(1, 1))
    figure.figimage(np.random.default_rng(0).random((96, 96, 3)))
    whole = png(figure)
    assert png(figure, largest=len(whole)) == whole
    wanted = len(whole) // 2
    assert len(png(figure, largest=wanted)) <= wanted
    assert len(png(figure, largest=1)) < wanted
