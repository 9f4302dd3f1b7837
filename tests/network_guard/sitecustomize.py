"""No connection outside this machine, in any Python process that has this folder on its PYTHONPATH.

Python imports a module of this name when it starts, so notebook kernels, servers and other subprocesses of
the tests are guarded before their first line runs; conftest.py loads the same file into pytest's own process.
It sees what goes through Python's `socket`: look-ups and connections are refused before anything is sent.
Programs with network code of their own are out of its reach; test_browser.py checks the browser's requests.
"""

import ipaddress
import socket
import sys


class OutsideConnectionError(RuntimeError):
    """Not an OSError, which libraries take for "offline just now" and pass over in silence."""


def _is_here(host: str | bytes | None) -> bool:
    """Whether `host` is this machine; no host at all is what a server listens on."""
    name = host.decode() if isinstance(host, bytes) else host
    if not name or name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def _guard(event: str, args: tuple) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        connection, address = args
        # a Unix socket stays on this machine, and sendmsg has no address on a connection that exists already
        if connection.family not in (socket.AF_INET, socket.AF_INET6) or address is None:
            return
        host = address[0]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = args[0]
    else:
        return
    if not _is_here(host):
        raise OutsideConnectionError(
            f"{event} to {host!r}: tests and notebooks work offline, with what the package ships or generates"
        )


sys.addaudithook(_guard)
