from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dora.adapters.events import fields
from dora.domain.facts import SentChange
from dora.ports import Invalid


@pytest.mark.parametrize(
    "text",
    [
        "acme/shop.js",
        "acme/shop.js.git",
        "https://git.example/acme/shop.js",
        "https://git.example/acme/shop.js.git",
        "https://git.example/acme/shop.js/",
        "https://git.example/acme/shop.js.git/",
        "HTTPS://git.example:8443/acme/shop.js.GIT",
        "http://git.example/acme/shop.js",
        "https://x-access-token:se:cret@git.example/acme/shop.js",
        "git://git.example/acme/shop.js.git",
        "ssh://git@git.example/acme/shop.js.git",
        "ssh://git@git.example:2222/acme/shop.js",
        "git@git.example:acme/shop.js.git",
        "git@git.example:/acme/shop.js",
        "org-12345@git.example:acme/shop.js.git",
        "git.example:acme/shop.js",
    ],
)
def test_a_repository_is_its_name_or_its_clone_url(text: str) -> None:
    assert fields.repository(text) == "acme/shop.js"


def test_the_spelling_of_a_repository_is_kept() -> None:
    assert fields.repository("Acme/Shop_1") == "Acme/Shop_1"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "/",
        "shop",
        "acme/",
        "/shop",
        "acme/shop/tree",
        "acme//shop",
        "acme/sh op",
        "acme/shöp",
        "acme/shop\n",
        "acme/..",
        "./shop",
        "acme/.git",
        "https://git.example/shop",
        "https://git.example/group/acme/shop",
        "https://git.example/acme/shop?x=1",
        "https:///acme/shop",
        "file:///acme/shop",
        "git@git.example/acme/shop",
        "a" * 101 + "/shop",
        "acme/" + "a" * 105,
        "https://" + "a" * 1024 + "/acme/shop",
        None,
        1,
        ["acme/shop"],
    ],
)
def test_anything_else_is_no_repository(value: object) -> None:
    with pytest.raises(Invalid):
        fields.repository(value)


@given(st.text("htps:/@.ga\n", max_size=60))
def test_a_text_is_a_repository_or_refused_and_nothing_of_a_url_stays(text: str) -> None:
    try:
        name = fields.repository(text)
    except Invalid:
        return
    assert name.count("/") == 1
    assert not set(name) & set(":@\n")


def test_a_repository_that_almost_fits_is_refused_without_trying_for_ever() -> None:
    for text in ("https://" + "a:@" * 300, "a" * 1000 + "/", "a/" + "." * 1000, "a@" * 500, "a/a" + ".git" * 250):
        with pytest.raises(Invalid):
            fields.repository(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [("d", "d"), ("d" * 128, "d" * 128), (7, "7"), (0, "0"), (-1, "-1"), (10**128 - 1, "9" * 128), ("ü\n", "ü\n")],
)
def test_an_id_is_a_string_or_the_digits_of_an_integer(value: object, text: str) -> None:
    assert fields.identity(value) == text


@pytest.mark.parametrize("value", ["", "d" * 129, 10**128, -(10**127), True, 1.0, None, [], {"id": "d"}])
def test_anything_else_is_no_id(value: object) -> None:
    with pytest.raises(Invalid):
        fields.identity(value)


def test_an_integer_of_thousands_of_digits_is_refused_without_writing_them_out() -> None:
    # Python itself refuses to write more than 4,300 digits, with a ValueError of its own.
    for value in (10**5000, -(10**5000)):
        with pytest.raises(Invalid):
            fields.identity(value)


def test_a_sha_is_lower_case_afterwards() -> None:
    assert fields.sha("ABCDEF0") == "abcdef0"
    assert fields.sha("0" * 64) == "0" * 64


@pytest.mark.parametrize("value", ["abcdef", "0" * 65, "g" * 40, "abcdef0\n", "٣" * 40, 1234567, None, b"abcdef0"])
def test_anything_else_is_no_sha(value: object) -> None:
    with pytest.raises(Invalid):
        fields.sha(value)


@pytest.mark.parametrize("text", ["p", "a" * 64, "eu-1/prod_2.x y", " "])
def test_an_environment_is_up_to_64_plain_characters(text: str) -> None:
    assert fields.environment(text) == text
    assert fields.service(text) == text


@pytest.mark.parametrize("value", ["a" * 65, "a\n", "a:b", "ä", 'a"', "a*", 1, None, ["production"]])
def test_anything_else_is_no_environment_and_no_service(value: object) -> None:
    for read in (fields.environment, fields.service):
        with pytest.raises(Invalid):
            read(value)


def test_a_service_may_be_empty_and_an_environment_may_not() -> None:
    assert fields.service("") == ""
    with pytest.raises(Invalid):
        fields.environment("")


def test_a_time_needs_its_offset() -> None:
    assert fields.moment("1970-01-01T01:00:01.5+01:00") == 1_500_000
    for value in ("1970-01-01T00:00:01", "1970-01-01", "yesterday", "", 1, None, True):
        with pytest.raises(Invalid):
            fields.moment(value)


def test_changes_may_be_none_and_times_of_a_change_may_be_unknown() -> None:
    assert fields.changes([]) == ()
    assert fields.changes(
        [
            {"id": 7},
            {"id": "x", "merged_at": "1970-01-01T00:00:01Z", "committed_at": "1970-01-01T00:00:02Z"},
        ]
    ) == (SentChange(id="7"), SentChange(id="x", merged_at=1_000_000, committed_at=2_000_000))


def test_every_problem_of_every_change_is_told_with_its_place() -> None:
    with pytest.raises(Invalid) as raised:
        fields.changes(
            [
                {"id": "ok"},
                {"merged_at": None, "committed_at": "2026-01-01"},
                7,
                {"id": True, "a/b~c": 1, "merged_at": "2026-01-01T00:00:00Z"},
            ]
        )
    assert [problem.pointer for problem in raised.value.problems] == [
        "/1/merged_at",
        "/1/committed_at",
        "/1/id",
        "/2",
        "/3/id",
        "/3/a~1b~0c",
    ]


def test_a_deployment_names_at_most_500_changes() -> None:
    assert len(fields.changes([{"id": number} for number in range(500)])) == 500
    with pytest.raises(Invalid):
        fields.changes([{"id": number} for number in range(501)])


@pytest.mark.parametrize("value", [None, {}, "[]", 0, {"id": "x"}])
def test_changes_are_an_array(value: object) -> None:
    with pytest.raises(Invalid):
        fields.changes(value)


@pytest.mark.parametrize("value", ["", "k" * 256, 1, None])
def test_an_idempotency_key_has_1_to_255_characters(value: object) -> None:
    assert fields.key("k" * 255) == "k" * 255
    with pytest.raises(Invalid):
        fields.key(value)
