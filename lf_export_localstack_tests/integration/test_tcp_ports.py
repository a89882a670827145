import socket

import pytest

from lf_export_localstack.processes import tcp_ports


def _listen() -> socket.socket:
    server = socket.socket()
    server.bind((tcp_ports.HOST, 0))
    server.listen()
    return server


def test_a_port_is_free_until_somebody_listens_on_it() -> None:
    with _listen() as server:
        port = server.getsockname()[1]
        assert not tcp_ports.is_free(port)
    assert tcp_ports.is_free(port)


def test_new_ports_are_free_different_and_out_of_the_way_of_outgoing_connections() -> None:
    chosen = tcp_ports.choose([f"p{number}" for number in range(50)], earlier={}, configured={})

    assert len(set(chosen.values())) == 50
    assert all(tcp_ports.is_free(port) for port in chosen.values())
    assert all(tcp_ports.FIRST_PORT <= port < tcp_ports.LAST_PORT for port in chosen.values())


def test_an_earlier_port_is_kept_while_it_is_free() -> None:
    first = tcp_ports.choose(["s3"], earlier={}, configured={})

    assert tcp_ports.choose(["s3"], earlier=first, configured={}) == first


def test_an_earlier_port_that_is_taken_is_replaced() -> None:
    first = tcp_ports.choose(["s3"], earlier={}, configured={})

    with socket.socket() as server:
        server.bind((tcp_ports.HOST, first["s3"]))
        server.listen()
        assert tcp_ports.choose(["s3"], earlier=first, configured={}) != first


def test_an_earlier_port_is_replaced_when_the_one_beside_it_is_taken() -> None:
    first = tcp_ports.choose(["s3"], earlier={}, configured={})

    with socket.socket() as server:
        server.bind((tcp_ports.HOST, first["s3"] + tcp_ports.COMPANION_DISTANCE))
        server.listen()
        assert tcp_ports.choose(["s3"], earlier=first, configured={}) != first


def test_a_configured_port_is_used() -> None:
    port = tcp_ports.choose(["any"], earlier={}, configured={})["any"]

    assert tcp_ports.choose(["s3"], earlier={"s3": 1}, configured={"s3": port}) == {"s3": port}


def test_a_configured_port_that_is_taken_is_refused_by_name_and_number() -> None:
    with _listen() as server:
        taken = server.getsockname()[1]
        with pytest.raises(tcp_ports.PortTakenError, match=f"Port {taken}, configured for s3"):
            tcp_ports.choose(["s3"], earlier={}, configured={"s3": taken})
