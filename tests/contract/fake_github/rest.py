"""GitHub's REST answers in their full shape, as its OpenAPI description has them (API version 2022-11-28).

The adapter reads few of the fields; the rest is there so that an answer is one that GitHub could have given. Nobody is
in it: every author is the same made-up somebody.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TypeAlias

from dora.domain.instant import Instant, seconds
from tests.contract.fake_github.graph import Commit, Deployment, Graph, PullRequest

Json: TypeAlias = dict[str, object]

_DOCS = "https://docs.github.com/rest"


def stamp(at: Instant) -> str:
    """Return an instant as GitHub writes it: whole seconds of UTC."""
    return datetime.fromtimestamp(seconds(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def error(message: str, status: int) -> Json:
    return {"message": message, "documentation_url": _DOCS, "status": str(status)}


def no_commit(revision: str) -> Json:
    return {"message": f"No commit found for SHA: {revision}", "documentation_url": _DOCS, "errors": []}


def commit(graph: Graph, known: Commit, api: str) -> Json:
    here = f"{api}/repos/{graph.name}"
    web = f"https://github.com/{graph.name}"
    tree = hashlib.sha1(known.sha.encode(), usedforsecurity=False).hexdigest()
    who = {"name": "Somebody", "email": "somebody@example.invalid"}
    return {
        "url": f"{here}/commits/{known.sha}",
        "sha": known.sha,
        "node_id": f"C_{known.sha}",
        "html_url": f"{web}/commit/{known.sha}",
        "comments_url": f"{here}/commits/{known.sha}/comments",
        "commit": {
            "url": f"{here}/git/commits/{known.sha}",
            "author": {**who, "date": stamp(known.authored_at)},
            "committer": {**who, "date": stamp(known.committed_at)},
            "message": "Change something",
            "tree": {"url": f"{here}/tree/{tree}", "sha": tree},
            "comment_count": 0,
            "verification": {
                "verified": False,
                "reason": "unsigned",
                "signature": None,
                "payload": None,
                "verified_at": None,
            },
        },
        "author": None,
        "committer": None,
        "parents": [
            {"sha": parent, "url": f"{here}/commits/{parent}", "html_url": f"{web}/commit/{parent}"}
            for parent in known.parents
        ],
    }


def comparison(graph: Graph, base: str, head: str, api: str, *, page: int, per_page: int | None) -> Json | None:
    """Return a page of `base...head`; None if they have no common ancestor, which GitHub answers with 404."""
    shared = graph.ancestors(base) & graph.ancestors(head)
    if not shared:
        return None
    ahead, behind = graph.between(base, head), graph.between(head, base)
    kind = {
        (False, False): "identical",
        (True, False): "ahead",
        (False, True): "behind",
        (True, True): "diverged",
    }[bool(ahead), bool(behind)]
    merge_base = max(shared, key=lambda sha: (graph.commits[sha].committed_at, sha))
    # Without paging GitHub gives the newest 250.
    listed = ahead[-250:] if per_page is None else ahead[(page - 1) * per_page : page * per_page]
    here = f"{api}/repos/{graph.name}"
    web = f"https://github.com/{graph.name}/compare/{base}...{head}"
    answer: Json = {
        "url": f"{here}/compare/{base}...{head}",
        "html_url": web,
        "permalink_url": web,
        "diff_url": f"{web}.diff",
        "patch_url": f"{web}.patch",
        "base_commit": commit(graph, graph.commits[base], api),
        "merge_base_commit": commit(graph, graph.commits[merge_base], api),
        "status": kind,
        "ahead_by": len(ahead),
        "behind_by": len(behind),
        "total_commits": len(ahead),
        "commits": [commit(graph, graph.commits[sha], api) for sha in listed],
    }
    if page == 1:
        answer["files"] = [_file(graph, head, here)] if ahead else []
    return answer


def _file(graph: Graph, sha: str, here: str) -> Json:
    return {
        "sha": sha,
        "filename": "README.md",
        "status": "modified",
        "additions": 1,
        "deletions": 1,
        "changes": 2,
        "blob_url": f"https://github.com/{graph.name}/blob/{sha}/README.md",
        "raw_url": f"https://github.com/{graph.name}/raw/{sha}/README.md",
        "contents_url": f"{here}/contents/README.md?ref={sha}",
        "patch": "@@ -1 +1 @@\n-before\n+after",
    }


def account(login: str, api: str) -> Json:
    here = f"{api}/users/{login}"
    return {
        "login": login,
        "id": 1,
        "node_id": "MDQ6VXNlcjE=",
        "avatar_url": "https://avatars.githubusercontent.com/u/1",
        "gravatar_id": "",
        "url": here,
        "html_url": f"https://github.com/{login}",
        "followers_url": f"{here}/followers",
        "following_url": f"{here}/following{{/other_user}}",
        "gists_url": f"{here}/gists{{/gist_id}}",
        "starred_url": f"{here}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{here}/subscriptions",
        "organizations_url": f"{here}/orgs",
        "repos_url": f"{here}/repos",
        "events_url": f"{here}/events{{/privacy}}",
        "received_events_url": f"{here}/received_events",
        "type": "Organization",
        "site_admin": False,
    }


_BELOW = (
    "archive assignees branches collaborators comments commits compare contents contributors deployments downloads"
    " events forks git_commits git_refs git_tags hooks issue_comment issue_events issues keys labels languages merges"
    " milestones notifications pulls releases stargazers statuses subscribers subscription tags teams trees"
)
_COUNTS = (
    "forks forks_count stargazers_count watchers watchers_count size open_issues open_issues_count network_count"
    " subscribers_count"
)
_FLAGS = "private fork has_issues has_projects has_wiki has_pages has_discussions archived disabled"
_ABSENT = "description homepage language license mirror_url"


def repository(graph: Graph, api: str) -> Json:
    owner, _, name = graph.name.partition("/")
    here = f"{api}/repos/{graph.name}"
    web = f"https://github.com/{graph.name}"
    return {
        **{f"{below}_url": f"{here}/{below}" for below in _BELOW.split()},
        **dict.fromkeys(_COUNTS.split(), 0),
        **dict.fromkeys(_FLAGS.split(), False),
        **dict.fromkeys(_ABSENT.split()),
        "id": graph.id,
        "node_id": f"R_{graph.id}",
        "name": name,
        "full_name": graph.name,
        "owner": account(owner, api),
        "html_url": web,
        "url": here,
        "clone_url": f"{web}.git",
        "git_url": f"git:github.com/{graph.name}.git",
        "ssh_url": f"git@github.com:{graph.name}.git",
        "svn_url": web,
        "default_branch": graph.default_branch,
        "created_at": "2020-01-01T00:00:00Z",
        "updated_at": "2020-01-01T00:00:00Z",
        "pushed_at": "2020-01-01T00:00:00Z",
    }


def deployment(graph: Graph, known: Deployment, api: str) -> Json:
    here = f"{api}/repos/{graph.name}"
    return {
        "url": f"{here}/deployments/{known.id}",
        "id": known.id,
        "node_id": f"DE_{known.id}",
        "sha": known.sha,
        "ref": graph.default_branch,
        "task": "deploy",
        "payload": {},
        "original_environment": known.environment,
        "environment": known.environment,
        "description": None,
        "creator": None,
        "created_at": stamp(known.created_at),
        "updated_at": stamp(known.updated_at),
        "statuses_url": f"{here}/deployments/{known.id}/statuses",
        "repository_url": here,
        "transient_environment": known.transient,
        "production_environment": False,
    }


def pull_request(graph: Graph, known: PullRequest, api: str) -> Json:
    """Return a row of a list: without `merged` and `commits`."""
    here = f"{api}/repos/{graph.name}"
    web = f"https://github.com/{graph.name}/pull/{known.number}"
    owner = account(graph.name.partition("/")[0], api)
    described = {**repository(graph, api), "blobs_url": f"{here}/git/blobs{{/sha}}", "has_downloads": False}
    links = {
        "self": f"{here}/pulls/{known.number}",
        "issue": f"{here}/issues/{known.number}",
        "commits": f"{here}/pulls/{known.number}/commits",
        "comments": f"{here}/issues/{known.number}/comments",
        "review_comments": f"{here}/pulls/{known.number}/comments",
        "statuses": f"{here}/statuses/{known.number}",
    }
    moments = {
        "created_at": known.created_at,
        "updated_at": known.updated_at,
        "closed_at": known.closed_at,
        "merged_at": known.merged_at,
    }
    return {
        **{name: None if at is None else stamp(at) for name, at in moments.items()},
        **{f"{name}_url": link for name, link in links.items() if name != "self"},
        "_links": {
            name: {"href": link}
            for name, link in {**links, "html": web, "review_comment": f"{here}/pulls/comments{{/number}}"}.items()
        },
        "url": links["self"],
        "html_url": web,
        "diff_url": f"{web}.diff",
        "patch_url": f"{web}.patch",
        "review_comment_url": f"{here}/pulls/comments{{/number}}",
        "id": known.number,
        "node_id": f"PR_{known.number}",
        "number": known.number,
        "state": "open" if known.closed_at is None else "closed",
        "locked": False,
        "draft": False,
        "title": "Change something",
        "body": None,
        "user": None,
        "labels": [
            {
                "id": number,
                "node_id": f"LA_{number}",
                "url": f"{here}/labels/{label}",
                "name": label,
                "description": "",
                "color": "ededed",
                "default": False,
            }
            for number, label in enumerate(known.labels)
        ],
        # Of one that is not merged it is the test merge's.
        "merge_commit_sha": known.merge_commit or "f" * 40,
        "base": {"label": known.base, "ref": known.base, "sha": "0" * 40, "user": owner, "repo": described},
        "head": {"label": known.head, "ref": known.head, "sha": "0" * 40, "user": owner, "repo": described},
        "assignee": None,
        "milestone": None,
        "author_association": "MEMBER",
        "auto_merge": None,
    }


def installation(number: int, app_id: int, login: str, permissions: list[str], api: str) -> Json:
    return {
        "id": number,
        "account": account(login, api),
        "repository_selection": "all",
        "access_tokens_url": f"{api}/app/installations/{number}/access_tokens",
        "repositories_url": f"{api}/installation/repositories",
        "html_url": f"https://github.com/organizations/{login}/settings/installations/{number}",
        "app_id": app_id,
        "app_slug": "dora",
        "target_id": 1,
        "target_type": "Organization",
        "permissions": granted(permissions),
        "events": ["deployment_status", "pull_request", "push"],
        "created_at": "2020-01-01T00:00:00Z",
        "updated_at": "2020-01-01T00:00:00Z",
        "single_file_name": None,
        "suspended_by": None,
        "suspended_at": None,
    }


def access_token(token: str, expires_at: Instant, permissions: list[str]) -> Json:
    return {
        "token": token,
        "expires_at": stamp(expires_at),
        "permissions": granted(permissions),
        "repository_selection": "all",
    }


def granted(permissions: list[str]) -> Json:
    return dict.fromkeys((permission.partition("=")[0] for permission in permissions), "read")
