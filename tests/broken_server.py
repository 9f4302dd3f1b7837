"""An HTTP server on this machine that can do everything wrong that servers do."""

import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PACE = 2**15  # bytes between two looks at what to do


@dataclass
class Server:
    """What it serves and how, to be changed by a test at any time; and what it has been asked."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True  # whether it can resume
    statuses: list[int] = field(default_factory=list)  # answered in place of the next requests
    cuts: list[int] = field(default_factory=list)  # bytes after which the next answers break off
    stalls: list[int] = field(default_factory=list)  # ... or fall silent
    seconds: float = 0.0  # between two pieces of an answer
    lengths: bool = True  # whether it says how long a file is
    redirects: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)  # path, Range
    sent: int = 0


@contextmanager
def serving():
    """A `Server` at work for the block."""
    state, stop = Server(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            asked = self.headers.get("Range")
            state.requests.append((self.path, asked))
            if state.statuses and (status := state.statuses.pop(0)):
                return self.empty(status)
            if self.path in state.redirects:
                return self.empty(302, Location=state.redirects[self.path])
            if self.path not in state.files:
                return self.empty(404)
            content = state.files[self.path]
            start = int(re.match(r"bytes=(\d+)-", asked)[1]) if asked and state.ranges else 0
            if start >= len(content) > 0 and asked:
                return self.empty(416, **{"Content-Range": f"bytes */{len(content)}"})
            self.send_response(206 if asked and state.ranges else 200)
            if state.lengths:
                self.send_header("Content-Length", str(len(content) - start))
            if asked and state.ranges:
                extent = f"bytes {start}-{len(content) - 1}/{len(content)}"
                self.send_header("Content-Range", extent)
            self.send_header("Connection", "close")
            self.end_headers()
            self.send(content[start:])

        def send(self, content):
            self.close_connection = True
            cut = state.cuts.pop(0) if state.cuts else None
            stall = state.stalls.pop(0) if state.stalls else None
            end = min(x for x in (len(content), cut, stall) if x is not None)
            for at in range(0, end, PACE):
                piece = content[at : min(at + PACE, end)]
                state.sent += len(piece)
                self.wfile.write(piece)
                time.sleep(state.seconds)
            if stall is not None:
                stop.wait(20)

        def empty(self, status, **headers):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request, client_address):
            pass  # a client that was killed, which is what a test wants

    server = Quiet(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
        thread.join()
