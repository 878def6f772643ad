"""A message comes whole, or the channel says why not."""

import socket
import tempfile

import psutil
import pytest

from person_search.sources.channel import LENGTH, Channel, ClosedError


@pytest.fixture
def ends():
    """Return a channel, and the plain socket at its other end."""
    ours, theirs = socket.socketpair()
    channel = Channel(ours)
    yield channel, theirs
    channel.close()
    theirs.close()


@pytest.mark.parametrize("sent", [b"", LENGTH.pack(100), LENGTH.pack(100) + b"some of it"])
def test_who_stops_anywhere_in_a_message_is_given_up(ends, sent):
    channel, other = ends
    other.sendall(sent)
    with pytest.raises(TimeoutError):
        channel.receive(0.1)


def test_who_dies_within_a_message_has_closed_the_channel(ends):
    channel, other = ends
    other.sendall(LENGTH.pack(100) + b"some of it")
    other.close()
    with pytest.raises(ClosedError):
        channel.receive(20)


def test_a_frame_that_is_given_up_is_freed(ends):
    channel, other = ends
    with tempfile.TemporaryFile() as file:
        files = psutil.Process().num_fds()
        socket.send_fds(other, [LENGTH.pack(100)], [file.fileno()])
        with pytest.raises(TimeoutError):
            channel.receive(0.1)
        assert psutil.Process().num_fds() == files


def test_after_a_message_that_was_waited_for_the_socket_has_no_limit():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        Channel(theirs).send("first")
        assert Channel(ours).receive(20) == "first"
        assert ours.gettimeout() is None  # a limit would end the sending of a long message
