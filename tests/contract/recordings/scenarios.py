"""What GitHub can answer: each scenario makes it happen on the fake GitHub, and says how to on the real one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import frozen

from dora.domain.questions import ChangesSought
from tests.contract.fake_github.server import ALL, FakeGitHub, Fault, Installed
from tests.contract.fake_github.world import HOUR, NOW, SECOND, TOKEN, asked, line, sha

PUSHED: Final = "Push commits to a scratch repository; "
ON_DEMAND: Final = "GitHub cannot be made to do this on demand."


@frozen(kw_only=True)
class Scenario:
    name: str
    about: str
    make: Callable[[FakeGitHub], ChangesSought]
    """Prepares the fake and returns the question."""
    live: str | None = None
    """How to prepare it at GitHub; None: it cannot be recorded there."""
    times: int = 1
    """How often the question is asked."""
    app: bool = False
    """Whether to ask as a GitHub App."""
    direct: bool = False
    """Whether to ask for the range alone: the look-up as a whole would know without asking."""


def _line(github: FakeGitHub, count: int) -> list[str]:
    return line(github.repository(), count)


def _one_page(github: FakeGitHub) -> ChangesSought:
    commits = _line(github, 4)
    return asked(commits[-1], base=commits[0])


def _many_pages(github: FakeGitHub) -> ChangesSought:
    commits = _line(github, 432)
    return asked(commits[-1], base=commits[0])


def _identical(github: FakeGitHub) -> ChangesSought:
    commits = _line(github, 2)
    return asked(commits[1], base=commits[1])


def _behind(github: FakeGitHub) -> ChangesSought:
    commits = _line(github, 3)
    return asked(commits[0], base=commits[2])


def _diverged(github: FakeGitHub) -> ChangesSought:
    commits = _line(github, 3)
    graph = github.graphs["acme/shop"]
    graph.heads["topic"] = commits[0]
    return asked(line(graph, 2, start=50, branch="topic")[-1], base=commits[-1])


def _base_gone(github: FakeGitHub) -> ChangesSought:
    return asked(_line(github, 2)[-1], base=sha(99))


def _head_gone(github: FakeGitHub) -> ChangesSought:
    return asked(sha(99), base=_line(github, 2)[0])


def _squash(github: FakeGitHub) -> ChangesSought:
    base = _line(github, 1)[0]
    graph = github.graphs["acme/shop"]
    own = [
        graph.commit(sha(10), base, at=NOW - 50 * HOUR),
        graph.commit(sha(11), sha(10), at=NOW - 49 * HOUR, authored_at=NOW - 60 * HOUR),
    ]
    squashed = graph.commit(sha(20), base, at=NOW - 30 * HOUR, branch="main")
    graph.pull_request(7, *own, created_at=NOW - 45 * HOUR, labels=("hotfix",))
    graph.merged(7, squashed, at=NOW - 30 * HOUR)
    return asked(squashed, base=base)


def _merge(github: FakeGitHub) -> ChangesSought:
    base = _line(github, 1)[0]
    graph = github.graphs["acme/shop"]
    own = [graph.commit(sha(10), base, at=NOW - 9 * HOUR), graph.commit(sha(11), sha(10), at=NOW - 8 * HOUR)]
    merge = graph.commit(sha(20), base, own[-1], at=NOW - 7 * HOUR, branch="main")
    graph.pull_request(3, *own, created_at=NOW - 8 * HOUR)
    graph.merged(3, merge, *own, at=NOW - 7 * HOUR)
    return asked(merge, base=base)


def _rebase(github: FakeGitHub) -> ChangesSought:
    base = _line(github, 1)[0]
    graph = github.graphs["acme/shop"]
    own = [graph.commit(sha(10), base, at=NOW - 9 * HOUR), graph.commit(sha(11), sha(10), at=NOW - 8 * HOUR)]
    first = graph.commit(sha(20), base, at=NOW - 7 * HOUR, authored_at=NOW - 9 * HOUR, branch="main")
    last = graph.commit(sha(21), first, at=NOW - 7 * HOUR, authored_at=NOW - 8 * HOUR, branch="main")
    graph.pull_request(3, *own, created_at=NOW - 8 * HOUR)
    graph.merged(3, last, first, at=NOW - 7 * HOUR)
    return asked(last, base=base)


def _several_pull_requests(github: FakeGitHub) -> ChangesSought:
    base, direct = _line(github, 2)
    graph = github.graphs["acme/shop"]
    own = graph.commit(sha(10), direct, at=NOW - 9 * HOUR)
    graph.pull_request(1, own, created_at=NOW - 8 * HOUR, base="develop")
    graph.merged(1, own, at=NOW - 7 * HOUR)
    merge = graph.commit(sha(20), direct, own, at=NOW - 5 * HOUR, branch="main")
    graph.pull_request(2, own, created_at=NOW - 6 * HOUR, head="develop")
    graph.merged(2, merge, own, at=NOW - 5 * HOUR)
    return asked(merge, base=base)


def _predecessor(github: FakeGitHub) -> ChangesSought:
    commits = _line(github, 4)
    graph = github.graphs["acme/shop"]
    for number, states in enumerate((("success", "inactive"), ("failure", "inactive"), ("success",)), start=1):
        graph.deployment(number, commits[number], at=NOW - 10 * HOUR + number * HOUR)
        for index, state in enumerate(states):
            graph.status(number, state, at=NOW - 10 * HOUR + number * HOUR + index * SECOND)
    return asked(commits[3], find_predecessor=True, deployment_id="3", succeeded_at=NOW - 7 * HOUR)


def _renamed(github: FakeGitHub) -> ChangesSought:
    question = _one_page(github)
    github.rename("acme/shop", "acme/store")
    return question


def _not_modified(github: FakeGitHub) -> ChangesSought:
    github.faults.append(Fault(status=502, body=b"", when="POST /graphql"))
    return _one_page(github)


def _bad_token(github: FakeGitHub) -> ChangesSought:
    question = _one_page(github)
    github.grants.clear()
    return question


def _missing_permission(github: FakeGitHub) -> ChangesSought:
    github.grants[TOKEN].permissions = ALL - {"contents=read"}
    return _one_page(github)


def _missing_permission_graphql(github: FakeGitHub) -> ChangesSought:
    github.grants[TOKEN].permissions = ALL - {"pull_requests=read"}
    return _one_page(github)


def _hidden(github: FakeGitHub) -> ChangesSought:
    github.grants[TOKEN].repositories = frozenset()
    return _one_page(github)


def _fault(fault: Fault) -> Callable[[FakeGitHub], ChangesSought]:
    def make(github: FakeGitHub) -> ChangesSought:
        github.faults.append(fault)
        return _one_page(github)

    return make


def _spent(github: FakeGitHub) -> ChangesSought:
    grant = github.grants[TOKEN]
    grant.used["core"], grant.reset = grant.limit, NOW + 600 * SECOND
    return _one_page(github)


def _spent_graphql(github: FakeGitHub) -> ChangesSought:
    grant = github.grants[TOKEN]
    grant.used["graphql"], grant.reset = grant.limit, NOW + 600 * SECOND
    return _one_page(github)


def _graphql_errors(github: FakeGitHub) -> ChangesSought:
    head = _line(github, 1)[0]
    graph = github.graphs["acme/shop"]
    graph.pull_request(1, head, created_at=NOW - HOUR)
    graph.merged(1, head, at=NOW - HOUR)
    return asked(head, commits=(head,), pull_requests=(1, 2))


def _app(github: FakeGitHub) -> ChangesSought:
    github.installations.append(Installed(id=77, owner="acme"))
    return _one_page(github)


SECONDARY: Final = (
    b'{"documentation_url":"https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api",'
    b'"message":"You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}'
)
PULL_REQUEST: Final = PUSHED + "branch, push two commits with `git commit --date`, open a pull request and merge it by "

SCENARIOS: Final = (
    Scenario(name="one-page", about="Three commits ahead", make=_one_page, live=PUSHED + "base: the first of four."),
    Scenario(
        name="many-pages",
        about="431 commits ahead",
        make=_many_pages,
        live=PUSHED + "base: the first of 432 (empty) ones.",
    ),
    Scenario(
        name="identical",
        about="Base and head are one commit",
        make=_identical,
        direct=True,
        live=PUSHED + "base and head: the last.",
    ),
    Scenario(name="behind", about="The head is older", make=_behind, live=PUSHED + "base: the last, head: the first."),
    Scenario(
        name="diverged", about="Two branches", make=_diverged, live=PUSHED + "and two on a branch from the first."
    ),
    Scenario(name="base-gone", about="404: no such base", make=_base_gone, live=PUSHED + "base: an id of nothing."),
    Scenario(name="head-gone", about="404: no such head", make=_head_gone, live=PUSHED + "head: an id of nothing."),
    Scenario(
        name="squash", about="A squashed pull request", make=_squash, live=PULL_REQUEST + "squashing; label: hotfix."
    ),
    Scenario(name="merge", about="A merge commit", make=_merge, live=PULL_REQUEST + "a merge commit."),
    Scenario(name="rebase", about="A rebased pull request", make=_rebase, live=PULL_REQUEST + "rebasing."),
    Scenario(
        name="several-pull-requests",
        about="Commits with none, one and two pull requests",
        make=_several_pull_requests,
        live=PUSHED
        + "one to main; one by a pull request into develop (rebased), then develop into main by a merge commit.",
    ),
    Scenario(
        name="predecessor",
        about="A success behind an inactive status, a failure behind another",
        make=_predecessor,
        live=PUSHED + "then POST deployments and statuses: success, inactive; failure, inactive; success.",
    ),
    Scenario(
        name="renamed", about="301: the repository has another name", make=_renamed, live="As one-page; then rename it."
    ),
    Scenario(name="not-modified", about="304: asked again after a 502", make=_not_modified, times=2),
    Scenario(name="bad-token", about="401", make=_bad_token, live="As one-page, with a token that was revoked."),
    Scenario(
        name="missing-permission",
        about="403 without Contents",
        make=_missing_permission,
        live="As one-page, with a fine-grained token that has Metadata alone.",
    ),
    Scenario(
        name="missing-permission-graphql",
        about="GraphQL without Pull requests",
        make=_missing_permission_graphql,
        live="As one-page, with a fine-grained token that has Contents alone.",
    ),
    Scenario(
        name="hidden", about="404: a repository out of reach", make=_hidden, live="With a token for another repository."
    ),
    Scenario(name="primary-limit", about="403, nothing remains", make=_spent),
    Scenario(name="primary-limit-graphql", about="200, nothing remains", make=_spent_graphql),
    Scenario(
        name="secondary-limit-403-seconds",
        about="403 with Retry-After in seconds",
        make=_fault(Fault(status=403, headers={"Retry-After": "60"}, body=SECONDARY)),
    ),
    Scenario(
        name="secondary-limit-403-bare",
        about="403 with nothing but the sentence",
        make=_fault(Fault(status=403, body=SECONDARY)),
    ),
    Scenario(
        name="secondary-limit-429-date",
        about="429 with Retry-After as a date",
        make=_fault(Fault(status=429, headers={"Retry-After": "Tue, 14 Nov 2023 22:15:20 GMT"}, body=SECONDARY)),
    ),
    Scenario(
        name="secondary-limit-429-bare", about="429 without a word", make=_fault(Fault(status=429, body=SECONDARY))
    ),
    Scenario(
        name="server-error",
        about="500 with a page for people",
        make=_fault(
            Fault(status=500, headers={"Content-Type": "text/html"}, body=b"<html><body>Unicorn!</body></html>")
        ),
    ),
    Scenario(
        name="bad-gateway",
        about="502 of a GraphQL query",
        make=_fault(Fault(status=502, body=b'{"message": "Server Error"}', when="POST /graphql")),
    ),
    Scenario(
        name="truncated", about="Half of a body", make=_fault(Fault(body=b'{"status":"ahead","total_commits":3,"comm'))
    ),
    Scenario(
        name="graphql-errors",
        about="200 with data and an error: no such pull request",
        make=_graphql_errors,
        live="With two numbers, the second of no pull request.",
    ),
    Scenario(
        name="graphql-timeout",
        about="200 with an error alone: a timeout",
        make=_fault(
            Fault(
                body=b'{"data":null,"errors":[{"message":"Something went wrong while executing your query. This may be '
                b'the result of a timeout, or it could be a GitHub bug."}]}',
                when="POST /graphql",
            )
        ),
    ),
    Scenario(
        name="app",
        about="A GitHub App buys a token",
        make=_app,
        app=True,
        live="As one-page, with an App's credentials.",
    ),
)
