"""The guard fires in this process, in a subprocess and in a notebook kernel, and leaves loopback alone.

192.0.2.1 is set aside for documentation (RFC 5737): nobody answers there, should a guard fail.
"""

import socket
import subprocess
import sys

import nbformat
import pytest

from d2lhelpers.notebooks import execute

OUTSIDE = "192.0.2.1"
CONNECT = f"import socket; socket.create_connection(({OUTSIDE!r}, 9), timeout=2)"


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: socket.socket().connect((OUTSIDE, 9)),
        lambda: socket.socket().connect_ex((OUTSIDE, 9)),
        lambda: socket.socket(socket.AF_INET6).connect(("2001:db8::1", 9)),
        lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"", (OUTSIDE, 9)),
        lambda: socket.socket(type=socket.SOCK_DGRAM).sendmsg([b""], [], 0, (OUTSIDE, 9)),
        lambda: socket.getaddrinfo("example.com", 443),
        lambda: socket.getaddrinfo(b"example.com", 443),
        lambda: socket.gethostbyname("example.com"),
        lambda: socket.create_connection((OUTSIDE, 9)),
    ],
)
def test_outside_is_refused_here(attempt):
    with pytest.raises(RuntimeError, match="offline") as caught:
        attempt()
    assert type(caught.value).__name__ == "OutsideConnectionError"
    assert not isinstance(caught.value, OSError)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_is_allowed(host):
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection((host, server.getsockname()[1]), timeout=5) as client:
            client.sendall(b"here")
        with server.accept()[0] as accepted:
            assert accepted.recv(4) == b"here"


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no Unix sockets")
def test_unix_sockets_are_allowed(tmp_path):
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(str(tmp_path / "s"))
        server.listen()
        client.connect(str(tmp_path / "s"))


def test_outside_is_refused_in_a_subprocess():
    done = subprocess.run(
        [sys.executable, "-c", CONNECT], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 1
    assert "OutsideConnectionError: socket.getaddrinfo" in done.stderr


def test_outside_is_refused_in_a_kernel(tmp_path):
    path = tmp_path / "00_outside.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CONNECT)]), path)
    _, report = execute(path, timeout=30)
    assert "OutsideConnectionError: socket.getaddrinfo" in report.error
