"""The HTTP room: routes, limits, the status table, problems, the page for people, and the server.

`application` makes the service out of what others hand in (`needs`), `Server` answers with it on a socket.
"""

from __future__ import annotations

from dora.adapters.http.app import Application, application, now
from dora.adapters.http.gate import Gate
from dora.adapters.http.page import About
from dora.adapters.http.server import CannotListenError, Server, listen

__all__ = ["About", "Application", "CannotListenError", "Gate", "Server", "application", "listen", "now"]
