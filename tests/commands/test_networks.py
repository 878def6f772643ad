"""The garbage collector rests while a network is loaded, and leaves alone what is there then."""

import gc

import pytest

from commands.networks import collector_at_rest


@pytest.fixture(autouse=True)
def _collector_as_it_was():
    gc.unfreeze()
    yield
    gc.unfreeze()
    gc.enable()


def test_it_rests_in_the_block_alone_and_freezes_what_is_there():
    with collector_at_rest():
        assert not gc.isenabled()
        assert not gc.get_freeze_count()
    assert gc.isenabled()
    assert gc.get_freeze_count()


def test_what_comes_later_is_collected():
    with collector_at_rest():
        pass
    frozen = gc.get_freeze_count()
    for _ in range(10):
        circle = []
        circle.append(circle)
    del circle
    with collector_at_rest():
        pass
    assert gc.get_freeze_count() <= frozen  # garbage of the meantime was not frozen
    assert gc.collect() >= 10


def test_after_an_error_it_is_on_again():
    with pytest.raises(ValueError, match="no network"), collector_at_rest():
        raise ValueError("no network")
    assert gc.isenabled()


def test_a_user_who_has_no_collector_gets_none():
    gc.disable()
    with collector_at_rest():
        pass
    assert not gc.isenabled()
