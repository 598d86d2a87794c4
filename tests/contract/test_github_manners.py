"""How the GitHub adapter behaves towards GitHub, and when GitHub does not answer as it should."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from dora.adapters.github.app import App
from dora.adapters.github.credentials import PersonalToken
from dora.adapters.github.limits import Budget
from dora.adapters.github.lookup import GitHubLookup
from dora.adapters.github.ranges import Ranges
from dora.adapters.github.requests import Overtaxed
from dora.adapters.github.sessions import Session
from dora.domain.facts import ChangesFound, Unknown
from dora.policy import Policy
from dora.ports import Refused, Unavailable
from tests.contract.fake_github.graph import Graph
from tests.contract.fake_github.server import ALL, FakeGitHub, Fault, Grant, Installed
from tests.contract.fake_github.world import HOUR, NOW, SECOND, TOKEN, World, asked, line, sha, world

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
async def place() -> AsyncIterator[World]:
    async with world() as served:
        yield served


@pytest.fixture
def graph(place: World) -> Graph:
    return place.github.repository()


@pytest.fixture
def commits(graph: Graph) -> list[str]:
    return line(graph, 4)


async def found(place: World, commits: list[str]) -> ChangesFound:
    return await place.lookup().changes(asked(commits[-1], base=commits[0]))


# Requests: as few as the answer needs.


def squashed(graph: Graph, count: int) -> list[str]:
    """Land squashed pull requests; return the commit before them, and theirs."""
    shas = line(graph, count + 1)
    for number, head in enumerate(shas[1:], start=1):
        own = graph.commit(sha(100_000 + number), at=NOW - 300 * HOUR)
        graph.pull_request(number, own, created_at=NOW - 200 * HOUR)
        graph.merged(number, head, at=NOW - 100 * HOUR)
    return shas


@pytest.mark.parametrize("count", [1, 2, 50])
async def test_one_request_tells_the_first_commits_of_up_to_fifty_squashed_pull_requests(
    place: World, graph: Graph, count: int
) -> None:
    shas = squashed(graph, count)
    question = asked(shas[-1], commits=(), pull_requests=tuple(range(1, count + 1)))
    answer = await place.lookup().changes(question)
    assert len(answer.pull_requests) == count
    assert {pull.first_authored_at for pull in answer.pull_requests} == {NOW - 300 * HOUR}
    assert place.told.endpoints == ["changes"]


@pytest.mark.parametrize(
    ("count", "searched", "most"),
    [(1, 0, 4), (50, 0, 4), (100, 99, 4), (101, 0, 5), (200, 0, 5), (431, 0, 8), (1000, 0, 13), (100, 199, 5)],
)
async def test_without_a_ledger_a_hundred_commits_cost_at_most_four_requests_and_each_further_hundred_one(
    place: World, graph: Graph, count: int, searched: int, most: int
) -> None:
    shas = squashed(graph, count)
    graph.deployment(1, shas[0], at=NOW - 900 * HOUR)
    graph.status(1, "success", at=NOW - 900 * HOUR)
    for number in range(2, 2 + searched):
        graph.deployment(number, shas[0], at=NOW - 800 * HOUR + number * SECOND)
    answer = await place.lookup().changes(asked(shas[-1], find_predecessor=True))
    assert answer.unknown is None
    assert len(answer.pull_requests) == len(answer.commits) == count
    assert len(place.github.seen) <= most
    assert place.told.endpoints.count("compare") == -(-count // 100)
    assert place.told.endpoints.count("deployments") == searched // 100 + 1
    # GitHub counts nodes and points before it answers: five hundred commits in one query must not be too many.
    assert place.github.grants[TOKEN].used["graphql"] <= 3 + count // 8 + searched // 50


async def test_too_many_commits_are_noticed_on_the_first_page(place: World, graph: Graph) -> None:
    shas = line(graph, 431)
    answer = await place.lookup().changes(asked(shas[-1], base=shas[0], max_commits=400))
    assert answer.unknown is Unknown.TOO_MANY_COMMITS
    assert place.told.endpoints == ["compare"]


async def test_the_same_commit_as_the_predecessors_is_not_compared(place: World, graph: Graph) -> None:
    head = line(graph, 1)[0]
    graph.deployment(1, head, at=NOW - HOUR)
    graph.status(1, "success", at=NOW - HOUR)
    answer = await place.lookup().changes(asked(head, find_predecessor=True))
    assert (answer.unknown, answer.commits) == (None, ())
    assert place.told.endpoints == ["deployments"]


async def test_a_question_asked_again_pays_for_no_page_twice(place: World, graph: Graph) -> None:
    shas = line(graph, 250)
    lookup = place.lookup()
    place.github.faults.append(Fault(status=502, body=b"", when="POST /graphql"))
    question = asked(shas[-1], base=shas[0])
    with pytest.raises(Unavailable):
        await lookup.changes(question)
    assert place.github.grants[TOKEN].used["core"] == 3
    answer = await lookup.changes(question)
    assert len(answer.commits) == 249
    assert [request[1] for request in place.told.requests if request[0] == "compare"] == [200, 200, 200, 304, 304, 304]
    assert place.github.grants[TOKEN].used["core"] == 3


async def test_each_request_says_who_asks_and_which_version_it_wants(place: World, commits: list[str]) -> None:
    await found(place, commits)
    for request in place.github.seen:
        assert request.headers["x-github-api-version"] == "2022-11-28"
        assert request.headers["user-agent"].startswith("dora-observer/")
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert place.github.seen[0].headers["accept"] == "application/vnd.github+json"


async def test_questions_asked_at_once_are_sent_one_after_the_other_over_one_connection(
    place: World, commits: list[str]
) -> None:
    lookup = place.lookup()
    question = asked(commits[-1], base=commits[0])
    answers = await asyncio.gather(*(lookup.changes(question) for _ in range(5)))
    assert len(set(answers)) == 1
    assert place.github.busiest == 1


async def test_what_was_asked_is_told_to_whoever_counts(place: World, commits: list[str]) -> None:
    await found(place, commits)
    assert place.told.requests == [("compare", 200, 4999, 5000, "core"), ("changes", 200, 4999, 5000, "graphql")]
    place.github.faults += [Fault(hang_up=True), Fault(status=503)]
    for _ in range(2):
        with pytest.raises(Unavailable):
            await found(place, commits)
    assert [request[:2] for request in place.told.requests[2:]] == [("compare", "error"), ("compare", 503)]


# The token never leaves the host.


async def test_case_48_a_renamed_repository_is_followed(place: World, graph: Graph, commits: list[str]) -> None:
    place.github.rename("acme/shop", "acme/store")
    answer = await found(place, commits)
    assert len(answer.commits) == 3
    assert f"GET /repositories/{graph.id}/compare/{commits[0]}...{commits[-1]}" in place.github.paths()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_case_48_a_redirect_to_another_host_is_not_followed(
    place: World, commits: list[str], status: int
) -> None:
    async with FakeGitHub(clock=place.clock).serve() as other:
        place.github.faults.append(Fault(status=status, headers={"Location": f"{other.url}/repos/acme/shop"}))
        with pytest.raises(Unavailable, match="another host"):
            await found(place, commits)
        assert other.seen == []


@pytest.mark.parametrize("target", ["//127.0.0.1/x", "ftp://127.0.0.1/x", "", "http://[", "http://user@127.0.0.1:1/"])
async def test_a_redirect_to_nowhere_useful_is_not_followed(place: World, commits: list[str], target: str) -> None:
    place.github.faults.append(Fault(status=302, headers={"Location": target}, times=-1))
    with pytest.raises(Unavailable):
        await found(place, commits)


async def test_a_redirect_in_a_circle_ends(place: World, commits: list[str]) -> None:
    place.github.faults.append(Fault(status=301, headers={"Location": f"{place.github.url}/again"}, times=-1))
    with pytest.raises(Unavailable, match="circle"):
        await found(place, commits)
    assert len(place.github.seen) <= 10


async def test_what_was_posted_is_posted_again_after_a_307_and_not_after_a_301(
    place: World, commits: list[str]
) -> None:
    there = f"{place.github.url}/graphql"
    place.github.faults.append(Fault(status=307, headers={"Location": there}, when="POST /graphql"))
    assert len((await found(place, commits)).commits) == 3
    place.github.faults.append(Fault(status=301, headers={"Location": there}, when="POST /graphql"))
    with pytest.raises(Unavailable):
        await found(place, commits)


async def test_a_next_page_on_another_host_is_not_fetched(place: World, graph: Graph) -> None:
    shas = line(graph, 150)
    async with FakeGitHub(clock=place.clock).serve() as other:
        link = f'<{other.url}/repositories/1/compare/x?page=2>; rel="next"'
        place.github.faults.append(Fault(headers={"Link": link}, when="/compare/"))
        with pytest.raises(Unavailable, match="another host"):
            await place.lookup().changes(asked(shas[-1], base=shas[0]))
        assert other.seen == []


async def test_no_secret_is_in_any_error_log_or_repr(
    place: World, commits: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    lookup = place.lookup()
    assert TOKEN not in repr(lookup)
    for fault in (Fault(hang_up=True), Fault(status=401), Fault(status=403), Fault(status=500), Fault(cut=10)):
        place.github.faults.append(fault)
        with pytest.raises(Unavailable) as error:
            await lookup.changes(asked(commits[-1], base=commits[0]))
        assert TOKEN not in repr(error.value)
        assert error.value.__cause__ is None
        place.clock.pass_(3600)
    assert TOKEN not in caplog.text


@pytest.mark.parametrize("secret", ["", "two words", "line\nbreak", "ümlaut", "null\x00"])
def test_a_token_that_cannot_be_sent_is_refused_without_being_quoted(secret: str) -> None:
    with pytest.raises(ValueError, match="printable") as error:
        PersonalToken.of(secret)
    assert not secret or secret not in str(error.value)


# Limits.


async def test_a_reserve_of_the_limit_is_left_to_others_until_the_reset(place: World, commits: list[str]) -> None:
    grant = place.github.grants[TOKEN]
    grant.limit, grant.used["core"], grant.reset = 100, 89, NOW + 600 * SECOND
    lookup = place.lookup()
    question = asked(commits[-1], base=commits[0])
    await lookup.changes(question)
    with pytest.raises(Unavailable) as error:
        await lookup.changes(question)
    assert error.value.retry_after == pytest.approx(600)
    assert place.told.endpoints == ["compare", "changes"]
    place.clock.pass_(600)
    await lookup.changes(question)


async def test_case_46_the_primary_limit_is_waited_for(place: World, commits: list[str]) -> None:
    grant = place.github.grants[TOKEN]
    grant.used["core"], grant.reset = 5000, NOW + 1200 * SECOND
    lookup = place.lookup()
    question = asked(commits[-1], base=commits[0])
    for _ in range(3):
        with pytest.raises(Unavailable) as error:
            await lookup.changes(question)
        assert error.value.retry_after == pytest.approx(1200)
    assert len(place.github.seen) == 1
    place.clock.pass_(1200)
    assert len((await lookup.changes(question)).commits) == 3


async def test_case_46_a_graphql_limit_with_status_200_is_waited_for(place: World, commits: list[str]) -> None:
    grant = place.github.grants[TOKEN]
    grant.used["graphql"], grant.reset = 5000, NOW + 1200 * SECOND
    with pytest.raises(Unavailable) as error:
        await found(place, commits)
    assert error.value.retry_after == pytest.approx(1200)


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "17"}, 17),
        ({"Retry-After": "Tue, 14 Nov 2023 22:15:20 GMT"}, 120),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1700000300"}, 300),
        ({"Retry-After": "17", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1700000300"}, 17),
        ({}, 60),
        ({"GH-Limited-By": "user"}, 60),
        ({"Retry-After": "soon"}, 60),
        ({"Retry-After": "0"}, 1),
        ({"Retry-After": "999999999999"}, 7200),
    ],
)
async def test_case_46_a_secondary_limit_is_waited_for_as_told_or_a_minute(
    place: World, commits: list[str], status: int, headers: dict[str, str], wait: float
) -> None:
    body = b'{"message": "You have exceeded a secondary rate limit."}'
    place.github.faults.append(Fault(status=status, headers=headers, body=body))
    lookup = place.lookup()
    question = asked(commits[-1], base=commits[0])
    with pytest.raises(Unavailable) as error:
        await lookup.changes(question)
    assert not isinstance(error.value, Refused)
    assert error.value.retry_after == pytest.approx(wait)
    place.clock.pass_(wait - 0.5)
    with pytest.raises(Unavailable) as again:
        await lookup.changes(question)
    assert len(place.github.seen) == 1
    assert again.value.retry_after == 1
    place.clock.pass_(0.5)
    assert len((await lookup.changes(question)).commits) == 3


async def test_case_46_a_limit_without_a_word_of_when_is_waited_for_longer_each_time(
    place: World, commits: list[str]
) -> None:
    place.github.faults.append(Fault(status=429, body=b"", times=7))
    lookup = place.lookup()
    question = asked(commits[-1], base=commits[0])
    waits: list[float] = []
    for _ in range(7):
        with pytest.raises(Unavailable) as error:
            await lookup.changes(question)
        assert error.value.retry_after is not None
        waits.append(error.value.retry_after)
        place.clock.pass_(error.value.retry_after)
    assert waits == [60, 120, 240, 480, 900, 900, 900]
    await lookup.changes(question)
    place.github.faults.append(Fault(status=429, body=b""))
    with pytest.raises(Unavailable) as error:
        await lookup.changes(question)
    assert error.value.retry_after == 60


async def test_a_graphql_answer_that_speaks_of_a_secondary_limit_is_one(place: World, commits: list[str]) -> None:
    body = b'{"errors": [{"message": "You have exceeded a secondary rate limit"}]}'
    place.github.faults.append(Fault(body=body, when="POST /graphql"))
    with pytest.raises(Unavailable) as error:
        await found(place, commits)
    assert error.value.retry_after == 60


async def test_an_enterprise_server_without_limits_is_asked_without_limits() -> None:
    async with world("/api/v3") as place:
        place.github.limits = False
        shas = line(place.github.repository(), 3)
        assert len((await found(place, shas)).commits) == 2
        assert place.told.requests == [("compare", 200, None, None, "core"), ("changes", 200, None, None, "graphql")]
        assert place.github.paths()[1] == "POST /api/graphql"


# Refusals.


async def test_case_47_a_token_that_is_not_accepted_is_a_refusal(place: World, commits: list[str]) -> None:
    place.github.grants.clear()
    with pytest.raises(Refused):
        await found(place, commits)
    place.github.token(TOKEN)
    assert len((await found(place, commits)).commits) == 3


@pytest.mark.parametrize(
    ("lacks", "question"),
    [
        ("contents=read", asked(sha(4), base=sha(1))),
        ("contents=read", asked(sha(4)[:9])),
        ("contents=read", asked(sha(4), commits=(sha(4),))),
        ("pull_requests=read", asked(sha(4), base=sha(1))),
        ("pull_requests=read", asked(sha(4), commits=(), pull_requests=(1,))),
        ("deployments=read", asked(sha(4), find_predecessor=True)),
    ],
)
async def test_case_47_a_missing_permission_is_a_refusal_that_names_it(
    place: World, commits: list[str], lacks: str, question: object
) -> None:
    assert commits
    place.github.grants[TOKEN].permissions = ALL - {lacks}
    with pytest.raises(Refused) as error:
        await place.lookup().changes(question)  # type: ignore[arg-type] # parametrised
    assert error.value.permission == lacks
    assert error.value.retry_after is None


async def test_case_47_a_repository_that_the_token_may_not_see_is_a_refusal(place: World, commits: list[str]) -> None:
    place.github.grants[TOKEN].repositories = frozenset({"acme/other"})
    with pytest.raises(Refused):
        await found(place, commits)


async def test_a_403_that_is_no_limit_does_not_make_others_wait(place: World, commits: list[str]) -> None:
    place.github.faults.append(Fault(status=403, body=b'{"message": "Resource not accessible by integration"}'))
    with pytest.raises(Refused) as error:
        await found(place, commits)
    assert error.value.permission == "contents=read"
    assert len((await found(place, commits)).commits) == 3


async def test_a_repository_that_is_blocked_is_a_refusal(place: World, commits: list[str]) -> None:
    place.github.faults.append(Fault(status=451, body=b'{"message": "Repository access blocked"}'))
    with pytest.raises(Refused, match="451"):
        await found(place, commits)


async def test_a_deployment_without_a_number_precedes_under_the_id_it_has(place: World, commits: list[str]) -> None:
    node = {
        "id": "DE_kwDO",
        "databaseId": None,
        "commitOid": commits[0],
        "state": "INACTIVE",
        "updatedAt": "2023-11-01T00:00:00Z",
        "statuses": None,
    }
    page = {"pageInfo": {"hasNextPage": False, "endCursor": None}, "nodes": [None, node]}
    place.github.faults.append(Fault(body=orjson.dumps({"data": {"repository": {"deployments": page}}})))
    answer = await place.lookup().changes(asked(commits[-1], find_predecessor=True))
    assert answer.predecessor is not None
    assert answer.predecessor.deployment_id == "DE_kwDO"


async def test_a_search_for_a_predecessor_ends(place: World, graph: Graph, commits: list[str]) -> None:
    page = {"pageInfo": {"hasNextPage": True, "endCursor": "x"}, "nodes": []}
    place.github.faults.append(Fault(body=orjson.dumps({"data": {"repository": {"deployments": page}}}), times=50))
    answer = await place.lookup().changes(asked(commits[-1], base=commits[0], find_predecessor=True))
    assert answer.predecessor is None
    assert len(answer.commits) == 3
    assert place.told.endpoints.count("deployments") == 50
    assert graph.deployments == {}


async def test_a_page_of_deployments_without_a_way_on_is_no_answer(place: World, commits: list[str]) -> None:
    page = {"pageInfo": {"hasNextPage": True, "endCursor": None}, "nodes": None}
    place.github.faults.append(Fault(body=orjson.dumps({"data": {"repository": {"deployments": page}}})))
    with pytest.raises(Unavailable, match="next page"):
        await place.lookup().changes(asked(commits[-1], find_predecessor=True))


@pytest.mark.parametrize("body", [b"", b"deadbeef", b"<html>", b"\xff" * 40])
async def test_what_is_no_commit_id_is_no_answer(place: World, commits: list[str], body: bytes) -> None:
    place.github.faults.append(Fault(body=body))
    with pytest.raises(Unavailable):
        await place.lookup().changes(asked(commits[-1][:8], base=commits[0]))


async def test_case_30_a_branch_that_is_called_like_an_abbreviated_commit_is_not_that_commit(
    place: World, graph: Graph, commits: list[str]
) -> None:
    graph.heads["abcdef0"] = commits[-1]
    answer = await place.lookup().changes(asked("abcdef0", base=commits[0]))
    assert answer.unknown is Unknown.NOT_FOUND
    listed = await place.lookup().changes(asked(commits[-1], commits=("abcdef0",)))
    assert listed.unknown is Unknown.NOT_FOUND


async def test_an_abbreviated_base_that_is_gone_is_a_history_rewritten(place: World, commits: list[str]) -> None:
    answer = await place.lookup().changes(asked(commits[-1], base="abcdef0"))
    assert answer.unknown is Unknown.HISTORY_REWRITTEN
    whole = await place.lookup().changes(asked(commits[-1], base=commits[0][:8]))
    assert len(whole.commits) == 3


async def test_an_empty_repository_has_no_commit(place: World, graph: Graph) -> None:
    assert graph.commits == {}
    answer = await place.lookup().changes(asked(sha(1), base=sha(2)))
    assert answer.unknown is Unknown.NOT_FOUND


async def test_pages_of_long_ago_are_forgotten(place: World, commits: list[str]) -> None:
    ranges = Ranges(Session(place.requests, PersonalToken.of(TOKEN)), most_pages=2)
    for index in (1, 2, 1, 3, 1, 2):
        await ranges.between("acme/shop", commits[0], commits[index], most=10)
    assert [request[1] for request in place.told.requests] == [200, 200, 304, 200, 304, 200]


async def test_a_repository_that_cannot_be_looked_at_is_neither_there_nor_gone(
    place: World, commits: list[str]
) -> None:
    place.github.faults += [Fault(status=404, body=b"{}", times=2), Fault(status=422, body=b"{}")]
    with pytest.raises(Unavailable) as error:
        await found(place, commits)
    assert not isinstance(error.value, Refused)


async def test_a_token_without_single_sign_on_is_told_so(place: World, commits: list[str]) -> None:
    headers = {"X-GitHub-SSO": "required; url=https://github.com/orgs/acme/sso?authorization_request=secret"}
    place.github.faults.append(Fault(status=403, headers=headers, body=b"{}"))
    with pytest.raises(Refused) as error:
        await found(place, commits)
    assert "single sign-on" in error.value.permission
    assert "secret" not in error.value.permission


# Failures, and answers that are none.

WHOLE = b'{"status":"ahead","total_commits":1,"commits":[{"sha":"%s"}]}' % sha(4).encode()


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500, body=b"<html>"),
        Fault(status=502, body=b"<html>"),
        Fault(status=503, body=b""),
        Fault(status=504, body=b""),
        Fault(status=400, body=b"{}"),
        Fault(status=406, body=b"{}"),
        Fault(status=410, body=b"{}"),
        Fault(status=204, body=b""),
        Fault(status=304, body=b""),
        Fault(hang_up=True),
        Fault(cut=0),
        Fault(cut=40),
        Fault(body=b""),
        Fault(body=b"null"),
        Fault(body=b"[]"),
        Fault(body=b"{}"),
        Fault(body=b'{"message": "Server Error"}'),
        Fault(body=b"\xff\xfe"),
        Fault(body=b"[" * 100_000),
        Fault(body=WHOLE[:-1]),
        Fault(body=WHOLE.replace(b'"total_commits":1', b'"total_commits":2')),
        Fault(body=WHOLE.replace(b'"total_commits":1', b'"total_commits":"1"')),
        Fault(body=WHOLE.replace(b'"total_commits":1,', b"")),
        Fault(body=WHOLE.replace(b'"ahead"', b'"sideways"')),
        Fault(body=WHOLE.replace(b'"sha"', b'"id"')),
        Fault(headers={"Content-Encoding": "gzip"}),
    ],
    ids=str,
)
async def test_case_46_half_an_answer_is_none(place: World, commits: list[str], fault: Fault) -> None:
    place.github.faults.append(fault)
    with pytest.raises(Unavailable) as error:
        await found(place, commits)
    assert not isinstance(error.value, Refused)
    assert len((await found(place, commits)).commits) == 3


GRAPHQL = "POST /graphql"
ONE = (
    b'{"data":{"repository":{"defaultBranchRef":{"name":"main"},"c0":{"oid":"%s","authoredDate":"2020-01-01T00:00:00Z",'
    b'"committedDate":"2020-01-01T00:00:00Z","parents":{"totalCount":1},"associatedPullRequests":'
    b'{"totalCount":0,"nodes":[]}}}}}'
) % sha(4).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"{}",
        b'{"data":null}',
        b'{"data":{"repository":null}}',
        b'{"data":{"repository":{}}}',
        b'{"data":null,"errors":[{"message":"Something went wrong while executing your query on the server."}]}',
        b'{"errors":[{"message":"Field does not exist"}]}',
        b'{"errors":"what"}',
        ONE[:-1],
        ONE.replace(b'"c0"', b'"c9"'),
        ONE.replace(b'"parents":{"totalCount":1}', b'"parents":null'),
        ONE.replace(b"2020-01-01T00:00:00Z", b"yesterday"),
        ONE.replace(b'{"data"', b'{"errors":[{"type":"INTERNAL","path":["repository","c0"],"message":"x"}],"data"'),
        ONE.replace(b'{"data"', b'{"errors":[{"type":"NOT_FOUND","path":["repository","c0","oid"]}],"data"'),
    ],
)
async def test_case_46_graphql_with_status_200_and_errors_is_no_answer(
    place: World, commits: list[str], body: bytes
) -> None:
    question = asked(commits[-1], commits=(commits[-1],))
    place.github.faults.append(Fault(body=body))
    with pytest.raises(Unavailable) as error:
        await place.lookup().changes(question)
    assert not isinstance(error.value, Refused)


async def test_the_answer_that_those_were_made_of_is_one(place: World, commits: list[str]) -> None:
    place.github.faults.append(Fault(body=ONE))
    answer = await place.lookup().changes(asked(commits[-1], commits=(commits[-1],)))
    assert (answer.unknown, len(answer.commits)) == (None, 1)
    place.github.faults.append(Fault(body=WHOLE))
    assert len((await found(place, commits)).commits) == 1


async def test_pages_that_do_not_add_up_are_no_answer(place: World, graph: Graph) -> None:
    shas = line(graph, 150)
    place.github.faults.append(Fault(headers={"Link": ""}, when="/compare/"))
    with pytest.raises(Unavailable, match="add up"):
        await place.lookup().changes(asked(shas[-1], base=shas[0]))


async def test_case_46_an_answer_that_never_comes_or_never_ends_is_given_up(place: World, commits: list[str]) -> None:
    place.requests.deadline = 0.05
    for fault in (Fault(stall=True), Fault(trickle=True)):
        place.github.faults.append(fault)
        with pytest.raises(Overtaxed):
            await found(place, commits)
    assert [request[1] for request in place.told.requests] == ["timeout", "timeout"]


async def test_an_answer_longer_than_anybody_needs_is_given_up(place: World, commits: list[str]) -> None:
    place.requests.largest_answer = 1000
    with pytest.raises(Unavailable, match="1000 bytes"):
        await found(place, commits)


async def test_a_github_that_is_not_there_is_unavailable(place: World, commits: list[str]) -> None:
    async with FakeGitHub(clock=place.clock).serve() as other:
        nowhere = other.url
    addresses = type(place.requests.addresses).of(nowhere)
    place.requests.addresses = addresses
    with pytest.raises(Unavailable):
        await found(place, commits)


async def test_a_503_that_says_when_is_waited_for(place: World, commits: list[str]) -> None:
    place.github.faults.append(Fault(status=503, headers={"Retry-After": "30"}))
    with pytest.raises(Unavailable) as error:
        await found(place, commits)
    assert error.value.retry_after == 30


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=502, body=b"", when=GRAPHQL),
        Fault(status=504, body=b"", when=GRAPHQL),
        Fault(body=b'{"errors":[{"type":"RESOURCE_LIMITS_EXCEEDED","message":"too much"}]}', when=GRAPHQL),
        Fault(
            body=b'{"errors":[{"message":"Something went wrong. This may be the result of a timeout, or a bug"}]}',
            when=GRAPHQL,
        ),
    ],
    ids=str,
)
async def test_a_query_that_was_too_much_for_github_is_asked_again_in_smaller_parts(
    place: World, graph: Graph, fault: Fault
) -> None:
    shas = line(graph, 201)
    lookup = place.lookup()
    place.github.faults.append(fault)
    with pytest.raises(Overtaxed):
        await lookup.changes(asked(shas[-1], base=shas[0]))
    before = place.told.endpoints.count("changes")
    answer = await lookup.changes(asked(shas[-1], base=shas[0]))
    assert len(answer.commits) == 200
    assert place.told.endpoints.count("changes") - before == 4


# GitHub Apps.

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def installed(place: World, *, permissions: frozenset[str] = ALL) -> GitHubLookup:
    place.github.grants.clear()
    place.github.app_key = KEY.public_key()
    place.github.installations.append(Installed(id=77, owner="acme", permissions=permissions))
    app = App(requests=place.requests, app_id="1234", key=KEY)
    return GitHubLookup(Session(place.requests, app), Policy())


async def test_an_app_buys_one_token_for_all_repositories_of_an_owner(place: World, commits: list[str]) -> None:
    other = line(place.github.repository("Acme/Other", id=5), 2)
    lookup = installed(place)
    question = asked(commits[-1], base=commits[0])
    assert len((await lookup.changes(question)).commits) == 3
    await lookup.changes(question)
    await lookup.changes(asked(other[1], base=other[0], repository="acme/other"))
    assert place.told.endpoints[:2] == ["installation", "access_token"]
    assert place.told.endpoints.count("access_token") == 1


async def test_an_apps_token_is_renewed_before_it_expires(place: World, commits: list[str]) -> None:
    lookup = installed(place)
    question = asked(commits[-1], base=commits[0])
    await lookup.changes(question)
    place.clock.pass_(54 * 60)
    await lookup.changes(question)
    assert place.told.endpoints.count("access_token") == 1
    place.clock.pass_(2 * 60)
    await lookup.changes(question)
    assert place.told.endpoints.count("access_token") == 2
    assert place.told.endpoints.count("installation") == 1
    assert 401 not in [request[1] for request in place.told.requests]


async def test_an_apps_token_that_was_revoked_is_replaced_at_once(place: World, commits: list[str]) -> None:
    lookup = installed(place)
    question = asked(commits[-1], base=commits[0])
    await lookup.changes(question)
    place.github.grants.clear()
    assert len((await lookup.changes(question)).commits) == 3
    assert place.told.endpoints.count("access_token") == 2


async def test_questions_asked_at_once_buy_one_token(place: World, commits: list[str]) -> None:
    lookup = installed(place)
    question = asked(commits[-1], base=commits[0])
    await asyncio.gather(*(lookup.changes(question) for _ in range(4)))
    assert place.told.endpoints.count("access_token") == 1


async def test_an_app_that_is_not_installed_is_refused_until_it_is(place: World, commits: list[str]) -> None:
    lookup = installed(place)
    gone = place.github.installations.pop()
    question = asked(commits[-1], base=commits[0])
    with pytest.raises(Refused, match="not installed"):
        await lookup.changes(question)
    place.github.installations.append(gone)
    assert len((await lookup.changes(question)).commits) == 3


async def test_an_app_installed_anew_is_found_under_its_new_id(place: World, commits: list[str]) -> None:
    lookup = installed(place)
    question = asked(commits[-1], base=commits[0])
    await lookup.changes(question)
    place.github.installations[0].id = 78
    place.clock.pass_(3600)
    with pytest.raises(Refused, match="gone"):
        await lookup.changes(question)
    assert len((await lookup.changes(question)).commits) == 3


async def test_case_47_a_permission_that_an_app_lacks_is_named(place: World, commits: list[str]) -> None:
    lookup = installed(place, permissions=ALL - {"pull_requests=read"})
    with pytest.raises(Refused) as error:
        await lookup.changes(asked(commits[-1], base=commits[0]))
    assert error.value.permission == "pull_requests=read"


async def test_a_key_of_another_app_is_refused(place: World, commits: list[str]) -> None:
    lookup = installed(place)
    place.github.app_key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    with pytest.raises(Refused):
        await lookup.changes(asked(commits[-1], base=commits[0]))


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"token":"x"}', b'{"token":"a b","expires_at":"2030-01-01T00:00:00Z"}', b'{"token":1}']
)
async def test_half_a_token_is_none(place: World, commits: list[str], body: bytes) -> None:
    lookup = installed(place)
    place.github.faults.append(Fault(body=body, when="access_tokens"))
    with pytest.raises(Unavailable):
        await lookup.changes(asked(commits[-1], base=commits[0]))
    assert len((await lookup.changes(asked(commits[-1], base=commits[0]))).commits) == 3


async def test_an_app_remembers_a_bounded_number_of_owners(place: World) -> None:
    app = App(requests=place.requests, app_id="1234", key=KEY, most_owners=2)
    place.github.grants.clear()
    place.github.app_key = KEY.public_key()
    for number, owner in enumerate(("one", "two", "three")):
        place.github.repository(f"{owner}/shop", id=number)
        place.github.installations.append(Installed(id=number, owner=owner))
    for owner in ("one", "two", "one", "three", "one", "two"):
        await app.token(f"{owner}/shop")
    assert place.told.endpoints.count("access_token") == 4


async def test_no_secret_of_an_app_is_in_a_repr(place: World, commits: list[str]) -> None:
    lookup = installed(place)
    await lookup.changes(asked(commits[-1], base=commits[0]))
    shown = repr(lookup)
    assert "PRIVATE" not in shown
    assert not any(secret in shown for secret in place.github.grants)


async def test_a_limit_of_one_credential_is_no_limit_of_another(place: World, commits: list[str]) -> None:
    place.github.grants["other"] = Grant()
    place.github.faults.append(Fault(status=429, body=b""))
    with pytest.raises(Unavailable):
        await found(place, commits)
    other = place.lookup(credential=PersonalToken.of("other", budget=Budget()))
    assert len((await other.changes(asked(commits[-1], base=commits[0]))).commits) == 3
