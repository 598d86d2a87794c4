"""What a package URL tells of the source of a package: `pkg:type/namespace/name@version?qualifiers#subpath`.

The form is that of https://github.com/package-url/purl-spec (PURL-SPECIFICATION.rst).
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from attrs import frozen

from dora.adapters.events import fields

_FORGES: Final = frozenset({"bitbucket", "github", "gitlab"})
"""Types whose packages are repositories: the namespace is the owner, the version a commit or a tag."""
_GO: Final = "golang"
"""The type whose packages are named by the repository's address: host, owner, name, and a path in it."""
_VCS_URL: Final = "vcs_url"
"""The qualifier that names the source of any other package, as `git+https://host/owner/name.git@commit`."""
_SHA: Final = re.compile(fields.SHA_PATTERN)
_WHOLE: Final = frozenset({40, 64})


@frozen
class Source:
    """The source of a package, as far as it is told; empty texts: it is not."""

    repository: str = ""
    """`owner/name` or a clone URL, unchecked."""
    sha: str = ""


def source(text: str) -> Source:
    """Return what a package URL tells of the source; nothing if the text is none."""
    scheme, _, rest = text.partition(":")
    if scheme.lower() != "pkg":
        return Source()
    rest, _, qualifiers = rest.partition("#")[0].partition("?")
    named = dict(qualifier.partition("=")[::2] for qualifier in qualifiers.split("&"))
    if address := unquote(named.get(_VCS_URL, "")):
        return _of_address(address)
    path, _, version = rest.strip("/").rpartition("@") if "@" in rest else (rest.strip("/"), "", "")
    kind, *segments = (unquote(segment) for segment in path.split("/"))
    if kind.lower() in _FORGES and len(segments) == len(("owner", "name")):
        return Source("/".join(segments), _commit(unquote(version)))
    if kind.lower() == _GO and len(segments) >= len(("host", "owner", "name")):
        return Source("/".join(segments[1:3]), _commit(unquote(version)))
    return Source()


def _of_address(address: str) -> Source:
    """Return the source that an address of a version control system is, as SPDX writes it."""
    address = address.removeprefix("git+").partition("#")[0]
    place, at, version = address.rpartition("@")
    # The @ of `git@host:owner/name` stands before the last slash, the one of a version behind it.
    if at and "/" not in version:
        return Source(place, _commit(version))
    return Source(address)


def _commit(version: str) -> str:
    """Return the version if it is a commit. Few digits without a letter are more likely a date or a number."""
    if not _SHA.fullmatch(version) or (version.isdecimal() and len(version) not in _WHOLE):
        return ""
    return version
