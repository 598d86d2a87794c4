"""Scrapes without pause until it is ended, as Prometheus asks: `python -m benchmarks.scraper PORT [ACCEPT [ENCODING]]`.

Says on standard output when it has the first answer, and how many bytes that had.
"""

from __future__ import annotations

import sys
from http.client import HTTPConnection
from typing import Final

OPENMETRICS: Final = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
TEXT: Final = "text/plain;version=0.0.4"

_READ: Final = 1 << 16


def scrape(connection: HTTPConnection, accept: str, encoding: str) -> int:
    """Ask once; return how many bytes came."""
    connection.request("GET", "/metrics", headers={"Accept": accept, "Accept-Encoding": encoding})
    response = connection.getresponse()
    size = 0
    while piece := response.read(_READ):
        size += len(piece)
    return size


def main(port: int, accept: str = OPENMETRICS, encoding: str = "gzip") -> None:
    """Ask for ever."""
    connection = HTTPConnection("127.0.0.1", port)
    print(scrape(connection, accept, encoding), flush=True)
    while True:
        scrape(connection, accept, encoding)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
