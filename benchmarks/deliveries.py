"""GitHub deliveries by the thousand, signed, none the same: of an organisation whose every change is a new fact.

Their shape is that of the deliveries that the contract tests send, which GitHub's own schemas accept: compact JSON in
UTF-8 with nothing escaped that JSON does not ask for, as GitHub writes it (for years octokit checked signatures over
`JSON.stringify` of what it had parsed, and had to correct control characters alone: octokit/webhooks.js, issue 71).
A change is a merged pull request (21 kB) and its push; another is a push alone; each is deployed to two environments:
seven deliveries of 10 kB on average.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Final

from attrs import define, field, frozen

from benchmarks.servers import SECRET
from tests.contract import make_deliveries as make

ENVIRONMENTS: Final = ("production", "staging")

EACH: Final = 7
"""Deliveries of a repository until it is the next one's turn."""

_BEFORE: Final = "b" * 40
_SHA: Final = "c" * 40
_NUMBER: Final = 987654321
_REPOSITORY_ID: Final = "900100"
_AT: Final = "2031-01-05T10:00:00Z"
_TEXT: Final = (
    'Round half up, as "invoices" < 100 € do & always did 🧾\n\nWhat <b>was</b>: 0,5 → 0; what is: 0,5 → 1.\n'
)


@frozen
class _Template:
    """A delivery whose repository, ids, commits and time can be replaced."""

    event: str
    body: str

    @classmethod
    def of(cls, event: str, delivery: make.Json) -> _Template:
        body = json.dumps(delivery, ensure_ascii=False, separators=(",", ":"))
        return cls(event, body.replace("A change", _TEXT.partition("\n")[0].replace('"', '\\"')))

    def request(self, *, repository: int, number: int, before: str, sha: str, at: str) -> bytes:
        """Return a whole request."""
        body = (
            self.body.replace(f'"{make.NAME}"', f'"service-{repository:05d}"')
            .replace(make.REPOSITORY, f"{make.OWNER}/service-{repository:05d}")
            .replace(_REPOSITORY_ID, str(1_000_000 + repository))
            .replace(str(_NUMBER), str(number))
            .replace(_SHA, sha)
            .replace(_BEFORE, before)
            .replace(_AT, at)
            .encode()
        )
        return request(self.event, body, number)


def request(event: str, body: bytes, number: int) -> bytes:
    """Return the request that GitHub would send with a body, signed."""
    signature = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    head = (
        "POST /webhooks/github HTTP/1.1\r\n"
        "Host: dora.example.test\r\n"
        "User-Agent: GitHub-Hookshot/3c4f1a2\r\n"
        "Accept: */*\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Content-Type: application/json\r\n"
        f"X-GitHub-Delivery: 5b7c1d60-0000-11f1-8000-{number:012d}\r\n"
        f"X-GitHub-Event: {event}\r\n"
        "X-GitHub-Hook-ID: 400000001\r\n"
        "X-GitHub-Hook-Installation-Target-ID: 4200\r\n"
        "X-GitHub-Hook-Installation-Target-Type: organization\r\n"
        f"X-Hub-Signature-256: sha256={signature}\r\n"
        "\r\n"
    )
    return head.encode() + body


@define
class Deliveries:
    """The deliveries of an organisation, one repository after another."""

    repositories: int
    _numbers: Iterator[int] = field(factory=lambda: count(1), init=False)
    _tips: dict[int, str] = field(factory=dict, init=False)
    _push: _Template = field(init=False)
    _merge: _Template = field(init=False)
    _deployments: tuple[_Template, ...] = field(init=False)
    _requests: Iterator[bytes] = field(init=False)

    def __attrs_post_init__(self) -> None:
        commit = make.commit(_SHA, _TEXT, timestamp=_AT, authored=_AT)
        self._push = _Template.of("push", make.push(commit, before=_BEFORE))
        self._merge = _Template.of("pull_request", make.pull_request(_NUMBER, merge_commit=_SHA, merged_at=_AT))
        self._deployments = tuple(
            _Template.of(
                "deployment_status",
                make.deployment_status("success", number=_NUMBER, sha=_SHA, environment=one, at=_AT),
            )
            for one in ENVIRONMENTS
        )
        self._requests = self._all()

    def take(self, many: int) -> list[bytes]:
        """Return the next requests."""
        return [next(self._requests) for _ in range(many)]

    def _all(self) -> Iterator[bytes]:
        while True:
            for repository in range(self.repositories):
                yield from self._change(repository, (self._merge, self._push, *self._deployments))
                yield from self._change(repository, (self._push, *self._deployments))

    def _change(self, repository: int, templates: tuple[_Template, ...]) -> Iterator[bytes]:
        before = self._tips.get(repository, f"{repository:040x}")
        sha = hashlib.sha1(before.encode(), usedforsecurity=False).hexdigest()
        self._tips[repository] = sha
        at = datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for template in templates:
            yield template.request(repository=repository, number=next(self._numbers), before=before, sha=sha, at=at)
