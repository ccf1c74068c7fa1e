"""The proxy that makes a bad network: each of its weathers, on real sockets."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.support.proxy import HOST, Proxy

Ends = tuple[socket.socket, socket.socket]


class Network:
    """A proxy in front of a listener."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.listener = stack.enter_context(socket.create_server((HOST, 0)))
        self.listener.settimeout(10)
        self.proxy = stack.enter_context(Proxy(HOST, self.listener.getsockname()[1]))

    def connect(self) -> socket.socket:
        client = socket.create_connection((HOST, self.proxy.port), timeout=10)
        return self._stack.enter_context(client)

    def accept(self) -> socket.socket:
        server = self._stack.enter_context(self.listener.accept()[0])
        server.settimeout(10)
        return server

    def ends(self) -> Ends:
        client = self.connect()
        return client, self.accept()


@pytest.fixture
def network() -> Iterator[Network]:
    with ExitStack() as stack:
        yield Network(stack)


def receive(end: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := end.recv(size - len(data))):
        data += more
    return data


def assert_silent(end: socket.socket, seconds: float = 0.1) -> None:
    end.settimeout(seconds)
    with pytest.raises(TimeoutError):
        end.recv(1)
    end.settimeout(10)


def test_it_forwards_both_ways_to_the_last_byte(network: Network) -> None:
    client, server = network.ends()
    data = bytes(range(256)) * 20_000
    sending = threading.Thread(target=client.sendall, args=(data,))
    sending.start()
    assert receive(server, len(data)) == data
    sending.join()
    server.sendall(b"well received")
    assert receive(client, 13) == b"well received"


def test_an_end_goes_through_one_way_at_a_time(network: Network) -> None:
    client, server = network.ends()
    client.sendall(b"all")
    client.shutdown(socket.SHUT_WR)
    assert receive(server, 10) == b"all"
    server.sendall(b"answer")
    server.close()
    assert receive(client, 10) == b"answer"


def test_a_target_that_is_not_there_is_a_reset(network: Network) -> None:
    network.listener.close()
    with pytest.raises(ConnectionResetError):
        network.connect().recv(1)


def test_a_cut_swallows_all_and_tells_nobody(network: Network) -> None:
    client, server = network.ends()
    network.proxy.cut()
    client.sendall(b"lost?")
    late = network.connect()
    late.sendall(b"late")
    assert_silent(server)
    network.listener.settimeout(0.1)
    with pytest.raises(TimeoutError):
        network.listener.accept()
    network.listener.settimeout(10)
    network.proxy.heal()
    assert receive(server, 5) == b"lost?"
    assert receive(network.accept(), 4) == b"late"


@pytest.mark.parametrize("is_abrupt", [False, True])
def test_a_cut_hides_that_the_other_end_has_gone(network: Network, is_abrupt: bool) -> None:
    client, server = network.ends()
    network.proxy.cut()
    if is_abrupt:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    assert_silent(server)
    network.proxy.heal()
    if is_abrupt:
        with pytest.raises(ConnectionResetError):
            server.recv(1)
    else:
        assert server.recv(1) == b""


def test_a_reset_reaches_both_ends_of_what_there_is(network: Network) -> None:
    client, server = network.ends()
    network.proxy.reset()
    for end in (client, server):
        with pytest.raises(ConnectionResetError):
            end.recv(1)
    client, server = network.ends()
    client.sendall(b"again")
    assert receive(server, 5) == b"again"


def test_a_cut_connection_can_be_reset(network: Network) -> None:
    client, server = network.ends()
    network.proxy.cut()
    client.sendall(b"lost")
    network.proxy.reset()
    with pytest.raises(ConnectionResetError):
        server.recv(1)


def test_refusing_concerns_new_connections_only(network: Network) -> None:
    client, server = network.ends()
    network.proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        network.connect()
    client.sendall(b"still")
    assert receive(server, 5) == b"still"
    network.proxy.heal()
    assert network.ends()


def test_a_delay_applies_each_way_in_order_and_not_to_each_byte(network: Network) -> None:
    client, server = network.ends()
    network.proxy.delay(0.2)
    begun = time.monotonic()
    for number in range(10):
        client.sendall(b"%d" % number)
        time.sleep(0.005)
    assert receive(server, 10) == b"0123456789"
    server.sendall(b"back")
    assert receive(client, 4) == b"back"
    assert 0.4 <= time.monotonic() - begun < 2


def test_what_is_delayed_arrives_when_it_heals(network: Network) -> None:
    client, server = network.ends()
    network.proxy.delay(60)
    client.sendall(b"slow")
    assert_silent(server)
    network.proxy.heal()
    assert receive(server, 4) == b"slow"


def test_a_throttle_bounds_how_much_passes(network: Network) -> None:
    client, server = network.ends()
    network.proxy.throttle(100_000)
    begun = time.monotonic()
    client.sendall(b"x" * 50_000)
    assert len(receive(server, 50_000)) == 50_000
    assert 0.4 <= time.monotonic() - begun < 5
    network.proxy.heal()
    client.sendall(b"x" * 50_000)
    assert len(receive(server, 50_000)) == 50_000


def test_it_counts_its_connections_and_leaves_none(network: Network) -> None:
    client, server = network.ends()
    assert network.proxy.connections == 1
    client.close()
    server.close()
    deadline = time.monotonic() + 10
    while network.proxy.connections and time.monotonic() < deadline:
        time.sleep(0.005)
    assert network.proxy.connections == 0
