"""What a stage says of its progress where there is no terminal."""

import pytest

from stages.support.running import ShownProgress


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def lines(first, clock, capsys, total=1000, seconds=2.0):
    with ShownProgress("train") as progress:
        for done in range(first, total + 1):
            clock[0] += seconds
            progress(done, total, {"total": 1.5})
    return capsys.readouterr().err.splitlines()


def test_ten_lines_with_the_time_left(clock, capsys):
    said = lines(1, clock, capsys)
    assert len(said) == 10
    assert said[0] == "train: 100/1000, 1800 s left  total 1.500"
    assert said[-1] == "train: 1000/1000, 0 s left  total 1.500"


def test_a_training_that_goes_on_is_judged_by_what_it_does_now(clock, capsys):
    said = lines(496, clock, capsys)
    assert [line.split(",")[0] for line in said] == [f"train: {step}/1000" for step in range(500, 1001, 100)]
    assert said[0].startswith("train: 500/1000, 1000 s left")


def test_everything_at_once_needs_no_line(clock, capsys):
    assert lines(7, clock, capsys, total=7) == []
