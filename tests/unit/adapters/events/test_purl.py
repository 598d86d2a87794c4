from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dora.adapters.events.purl import Source, source

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"pkg:github/Acme/Shop@{SHA}", Source("Acme/Shop", SHA)),
        (f"pkg:gitlab/acme/shop@{SHA}#sub/path", Source("acme/shop", SHA)),
        (f"pkg:bitbucket/acme/shop@{SHA}?a=b", Source("acme/shop", SHA)),
        (f"PKG:GitHub/acme/shop@{SHA}", Source("acme/shop", SHA)),
        ("pkg:github/acme/shop@244fd47e07d1004f0aed9c", Source("acme/shop", "244fd47e07d1004f0aed9c")),
        (f"pkg:golang/git.example/acme/shop@{SHA}", Source("acme/shop", SHA)),
        (
            "pkg:golang/git.example/acme/shop/v2/cmd@234fd47e07d1004f0aed9c",
            Source("acme/shop", "234fd47e07d1004f0aed9c"),
        ),
        (
            f"pkg:oci/shop@sha256%3Aabc?vcs_url=git%2Bhttps://git.example/acme/shop.git%40{SHA}",
            Source("https://git.example/acme/shop.git", SHA),
        ),
        (
            f"pkg:docker/shop@7?arch=amd64&vcs_url=git%2Bssh://git@git.example/acme/shop%40{SHA}",
            Source("ssh://git@git.example/acme/shop", SHA),
        ),
        ("pkg:oci/shop?vcs_url=git%40git.example:acme/shop.git", Source("git@git.example:acme/shop.git", "")),
    ],
)
def test_a_package_url_may_tell_repository_and_commit(text: str, found: Source) -> None:
    assert source(text) == found


@pytest.mark.parametrize("version", ["v1.2.3", "main", "20260301", "1234567", "sha256%3A" + "a" * 64, "abc", ""])
def test_a_version_that_is_no_commit_for_sure_is_none(version: str) -> None:
    assert source(f"pkg:github/acme/shop@{version}") == Source("acme/shop", "")


def test_forty_digits_are_a_commit_even_without_a_letter() -> None:
    assert source(f"pkg:github/acme/shop@{'1' * 40}").sha == "1" * 40


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pkg:",
        "pkg:github",
        f"pkg:github/shop@{SHA}",
        f"pkg:github/a/b/c@{SHA}",
        f"pkg:golang/acme/shop@{SHA}",
        f"pkg:npm/%40acme/shop@{SHA}",
        f"pkg:oci/shop@sha256%3A{'a' * 64}",
        f"github/acme/shop@{SHA}",
        SHA,
    ],
)
def test_any_other_text_tells_nothing(text: str) -> None:
    assert source(text) == Source()


@given(
    st.text() | st.text().map(lambda text: f"pkg:github/{text}") | st.text().map(lambda text: f"pkg:x/y?vcs_url={text}")
)
def test_any_text_is_read(text: str) -> None:
    found = source(text)
    assert not found.sha or found.repository
