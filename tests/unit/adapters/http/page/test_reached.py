from __future__ import annotations

import pytest

from dora.adapters.http.page.reached import Reached


def reached(scheme: str = "http", **headers: str) -> Reached:
    sent = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Reached.by({"type": "http", "scheme": scheme, "headers": sent})


def test_the_address_is_that_of_the_request() -> None:
    assert reached(host="dora.example.org:8443", scheme="https").base == "https://dora.example.org:8443"


def test_a_proxys_words_come_first() -> None:
    found = reached(host="10.0.0.7:8080", x_forwarded_host="dora.example.org, inner", x_forwarded_proto="HTTPS, http")
    assert found == Reached("https://dora.example.org", public=True)


@pytest.mark.parametrize("host", ["", "a b", "a;rm -rf /", 'x"y', "$(id)", "[::1", "a" + "\xe9", "a/b", "user@host"])
def test_what_is_no_host_is_not_shown(host: str) -> None:
    assert reached(host=host).base == "https://WHERE-THIS-IS-REACHED"


def test_what_is_no_scheme_is_not_shown() -> None:
    assert reached(host="a.example.org", x_forwarded_proto="javascript").base == "https://WHERE-THIS-IS-REACHED"


@pytest.mark.parametrize(
    "host",
    ["localhost:8080", "127.0.0.1", "192.168.1.4:80", "[::1]:8080", "[fe80::1]", "dora", "dora.default.svc", "a.local"],
)
def test_an_address_that_github_cannot_reach_is_known_as_such(host: str) -> None:
    assert not reached(host=host).public


@pytest.mark.parametrize("host", ["dora.example.org", "8.8.8.8:443", "[2606:4700:4700::1111]"])
def test_an_address_of_the_internet_is_public(host: str) -> None:
    assert reached(host=host).public
