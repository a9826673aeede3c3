"""Serve the API over HTTP on a socket that already listens (made before the network namespace was entered)."""

from __future__ import annotations

import logging
import socket
import threading
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server

log = logging.getLogger(__name__)


class _Handler(MotoRequestHandler):
    """Keeps connections open (HTTP/1.1) and logs instead of printing."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log(self, type: str, message: str, *args: Any) -> None:
        """Log a line of the server's."""
        log.log(logging.ERROR if type == "error" else logging.DEBUG, message, *args)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log a request, at debug level."""
        log.debug("%s %s", self.requestline, code)


class Server:
    """A running server; `close` ends it."""

    def __init__(self, server: BaseWSGIServer) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, name="api", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The TCP port that it listens on."""
        return int(self._server.port)

    @property
    def url(self) -> str:
        """Its address, as a client on this machine writes it."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Stop serving; the socket that was given stays open."""
        self._server.shutdown()
        self._thread.join(timeout=10)
        self._server.server_close()


def serve(application: Any, listening: socket.socket) -> Server:
    """Serve a WSGI application on a listening TCP socket, a thread per connection. The socket stays the caller's."""
    host, port = listening.getsockname()[:2]
    server = make_server(host, port, application, threaded=True, request_handler=_Handler, fd=listening.fileno())
    server.daemon_threads = True  # type: ignore[attr-defined]  # ThreadingMixIn's: open connections do not hold the end
    return Server(server)
