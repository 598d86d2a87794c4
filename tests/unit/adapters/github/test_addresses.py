from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dora.adapters.github.addresses import Addresses


@pytest.mark.parametrize(
    ("api_url", "rest", "graphql"),
    [
        ("https://api.github.com", "https://api.github.com", "https://api.github.com/graphql"),
        ("https://api.github.com/", "https://api.github.com", "https://api.github.com/graphql"),
        ("https://git.acme.test/api/v3", "https://git.acme.test/api/v3", "https://git.acme.test/api/graphql"),
        (
            "http://git.acme.test:8443/api/v3/",
            "http://git.acme.test:8443/api/v3",
            "http://git.acme.test:8443/api/graphql",
        ),
        ("https://api.acme.ghe.com", "https://api.acme.ghe.com", "https://api.acme.ghe.com/graphql"),
        ("https://proxy.test/github", "https://proxy.test/github", "https://proxy.test/github/graphql"),
    ],
)
def test_the_graphql_address_follows_from_the_rest_address(api_url: str, rest: str, graphql: str) -> None:
    assert Addresses.of(api_url) == Addresses(rest=rest, graphql=graphql)


@pytest.mark.parametrize(
    "api_url",
    [
        "",
        "api.github.com",
        "ftp://api.github.com",
        "https://",
        "https://user:secret@api.github.com",
        "https://a.test?b=c",
    ],
)
def test_what_is_no_address_is_refused_without_being_quoted(api_url: str) -> None:
    with pytest.raises(ValueError, match="must be an http or https address") as error:
        Addresses.of(api_url)
    assert "secret" not in str(error.value)


def test_each_step_of_an_address_is_escaped() -> None:
    addresses = Addresses.of("https://api.github.com")
    assert addresses.of_repository("acme/shop", "compare", "feature/x...a?b#c") == (
        "https://api.github.com/repos/acme/shop/compare/feature%2Fx...a%3Fb%23c"
    )
    assert addresses.of_repository("acme/sh op") == "https://api.github.com/repos/acme/sh%20op"


BASE = "https://api.github.com/repos/acme/shop"


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("https://api.github.com/repositories/1?page=2", "https://api.github.com/repositories/1?page=2"),
        ("https://API.github.com:443/x", "https://API.github.com:443/x"),
        ("/repositories/1", "https://api.github.com/repositories/1"),
        ("?page=2", "https://api.github.com/repos/acme/shop?page=2"),
    ],
)
def test_a_link_within_the_configured_host_is_followed(link: str, target: str) -> None:
    assert Addresses.of("https://api.github.com").follow(link, base=BASE) == target


@pytest.mark.parametrize(
    "link",
    [
        "http://api.github.com/x",
        "https://api.github.com:444/x",
        "https://api.github.com.evil.test/x",
        "https://api.github.com@evil.test/x",
        "https://user@api.github.com/x",
        "https://evil.test\\@api.github.com/x",
        "//evil.test/x",
        "ftp://api.github.com/x",
        "https://api.github.com:port/x",
        "https://[api.github.com/x",
        "javascript:alert(1)",
    ],
)
def test_a_link_that_leaves_the_configured_host_is_not_followed(link: str) -> None:
    assert Addresses.of("https://api.github.com").follow(link, base=BASE) is None


@given(st.text())
def test_whatever_a_link_says_it_leads_to_the_configured_host_or_nowhere(link: str) -> None:
    target = Addresses.of("https://api.github.com").follow(link, base=BASE)
    assert target is None or target.lower().startswith(("https://api.github.com/", "https://api.github.com:443/"))
