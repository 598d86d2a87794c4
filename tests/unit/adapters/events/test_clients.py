from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dora.adapters.events.clients import Client, bearer, digest, holder, parse_clients, signer, tokens, workflow
from dora.ports import Unauthenticated

CLIENTS = parse_clients("ci:first-token,deployer:second-token:acme/* other/thing")


def test_entries_are_separated_by_commas_and_line_ends() -> None:
    text = "ci:t1,\n deployer:t2:acme/*\r\n\n,pager : t3 : acme/shop  acme/web,"
    assert [(client.name, client.globs) for client in parse_clients(text)] == [
        ("ci", ()),
        ("deployer", ("acme/*",)),
        ("pager", ("acme/shop", "acme/web")),
    ]


def test_an_empty_list_has_no_clients() -> None:
    assert parse_clients(" ,\n") == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (":token", "entry 1: no name"),
        ("ci", "entry 1: no token"),
        ("ci:", "entry 1: no token"),
        ("ci: :acme/*", "entry 1: no token"),
        ("ci:to ken", "entry 1: a token consists of visible ASCII characters (is a colon missing?)"),
        ("ci:tök", "entry 1: a token consists of visible ASCII characters (is a colon missing?)"),
        ("a:t1,a:t2", "entry 2: its name is that of entry 1"),
        ("a:t1\nb:t1", "entry 2: its token is that of entry 1"),
        ("webhook:t1", "entry 1: this name is that of the client who signs with the webhook secret"),
        ("ci:t1:", "entry 1: no repository after the second colon"),
        ("ci:t1:acme/* shop", "entry 1: a repository without a wildcard must be written owner/name"),
        ("ok:t1,,ci:,:t2", "entry 2: no token; entry 3: no name"),
    ],
)
def test_a_wrong_entry_is_named_by_its_number(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"entry \d") as raised:
        parse_clients(text)
    assert str(raised.value) == message


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_whatever_is_wrong_the_message_repeats_none_of_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"^entry 1: ") as raised:
        parse_clients(f"NAME:TO KEN{text}:GLOB")
    assert not any(part in str(raised.value) for part in ("NAME", "TO", "KEN", "GLOB"))


def test_a_client_shows_no_token() -> None:
    text = f"{CLIENTS!r} {CLIENTS[0]}"
    assert "token" not in text
    assert "digest" not in text


def test_a_bearer_token_is_read_whatever_the_case_of_the_scheme() -> None:
    assert bearer("Bearer first-token") == "first-token"
    assert bearer("bEARER  second-token ") == "second-token"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "first-token", "Basic first-token"])
def test_a_header_without_a_bearer_token_proves_nothing(header: str | None) -> None:
    with pytest.raises(Unauthenticated) as raised:
        bearer(header)
    assert "first-token" not in str(raised.value)


def test_a_token_is_its_holders() -> None:
    assert holder("first-token", CLIENTS) == CLIENTS[0]
    assert holder("second-token", CLIENTS) == CLIENTS[1]


@pytest.mark.parametrize(
    "token", ["", "first-toke", "first-token2", "FIRST-TOKEN", "first-token, second-token", "tök\udcff"]
)
def test_any_other_token_is_nobodys(token: str) -> None:
    assert holder(token, CLIENTS) is None
    assert holder(token, ()) is None


def test_a_workflow_may_write_its_own_repository_regardless_of_case_and_no_other() -> None:
    client = workflow("Acme/Shop.js")
    assert client.allows("acme/shop.JS")
    assert not any(client.allows(other) for other in ("acme/shop", "acme/shopxjs", "acme/shop.js2", "other/shop.js"))


def test_a_workflows_keys_go_by_its_repository_and_collide_with_no_clients() -> None:
    assert workflow("Acme/Shop").name == workflow("acme/SHOP").name == "oidc:acme/shop"
    assert parse_clients("oidc:acme/shop")[0].name == "oidc"


def test_globs_limit_what_a_client_may_write_regardless_of_case() -> None:
    client = Client(name="deployer", digest=b"", globs=("Acme/*", "other/thing"))
    assert client.allows("acme/Shop")
    assert client.allows("OTHER/thing")
    assert not client.allows("other/thing2")
    assert not client.allows("acme2/shop")


def test_a_client_without_globs_and_the_signer_may_write_everything() -> None:
    assert CLIENTS[0].allows("any/thing")
    assert signer().name == "webhook"
    assert signer().allows("any/thing")


def test_the_tokens_of_a_text_are_those_that_its_clients_were_made_of() -> None:
    text = " ci : a-token:acme/* other/x ,,\r\ndeploy:b-token\n"
    found = list(tokens(text))
    assert found == [("ci", "a-token"), ("deploy", "b-token")]
    assert [(client.name, client.digest) for client in parse_clients(text)] == [
        (name, digest(token)) for name, token in found
    ]
