"""The recipe of `tests/contract/deliveries`: deliveries in GitHub's shape, of an organisation that does not exist.

`python -m tests.contract.make_deliveries` writes them anew; a test compares. No line is copied from a real delivery or
a published example; that the shape is GitHub's is what `make contract-octokit` proves by its published schemas.

A file is named `EVENT.CASE.json` and holds the body as GitHub sends it: compact, without a line break at its end.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, TypeAlias

Json: TypeAlias = dict[str, object]

FOLDER: Final = Path(__file__).parent / "deliveries"

API: Final = "https://api.github.com"
WEB: Final = "https://github.com"
OWNER: Final = "acme"
NAME: Final = "shop"
REPOSITORY: Final = f"{OWNER}/{NAME}"
NOBODY: Final = "0" * 40

BASE: Final = "b" * 40
SQUASHED: Final = "c0ffee" + "1" * 34
BRANCH_COMMIT: Final = "feed" + "2" * 36
MERGE_COMMIT: Final = "decade" + "3" * 34


def account(login: str, number: int, kind: str) -> Json:
    """Return an account: the owner of the repository, or the app that did something."""
    one = f"{API}/users/{login}"
    return {
        "login": login,
        "id": number,
        "node_id": f"U_{number}",
        "avatar_url": f"{WEB}/identicons/{login}.png",
        "gravatar_id": "",
        "url": one,
        "html_url": f"{WEB}/{login}",
        "followers_url": f"{one}/followers",
        "following_url": f"{one}/following{{/other_user}}",
        "gists_url": f"{one}/gists{{/gist_id}}",
        "starred_url": f"{one}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{one}/subscriptions",
        "organizations_url": f"{one}/orgs",
        "repos_url": f"{one}/repos",
        "events_url": f"{one}/events{{/privacy}}",
        "received_events_url": f"{one}/received_events",
        "type": kind,
        "site_admin": False,
    }


SENDER: Final = account("acme-deploy[bot]", 7001, "Bot")

_REPOSITORY_URLS: Final = {
    "forks_url": "/forks",
    "keys_url": "/keys{/key_id}",
    "collaborators_url": "/collaborators{/collaborator}",
    "teams_url": "/teams",
    "hooks_url": "/hooks",
    "issue_events_url": "/issues/events{/number}",
    "events_url": "/events",
    "assignees_url": "/assignees{/user}",
    "branches_url": "/branches{/branch}",
    "tags_url": "/tags",
    "blobs_url": "/git/blobs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "trees_url": "/git/trees{/sha}",
    "statuses_url": "/statuses/{sha}",
    "languages_url": "/languages",
    "stargazers_url": "/stargazers",
    "contributors_url": "/contributors",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "commits_url": "/commits{/sha}",
    "git_commits_url": "/git/commits{/sha}",
    "comments_url": "/comments{/number}",
    "issue_comment_url": "/issues/comments{/number}",
    "contents_url": "/contents/{+path}",
    "compare_url": "/compare/{base}...{head}",
    "merges_url": "/merges",
    "archive_url": "/{archive_format}{/ref}",
    "downloads_url": "/downloads",
    "issues_url": "/issues{/number}",
    "pulls_url": "/pulls{/number}",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "labels_url": "/labels{/name}",
    "releases_url": "/releases{/id}",
    "deployments_url": "/deployments",
}


def repository(name: str = NAME, *, created_at: object = "2025-02-03T09:00:00Z") -> Json:
    """Return the repository; a `push` has its times as seconds since the epoch."""
    full_name = f"{OWNER}/{name}"
    url = f"{API}/repos/{full_name}"
    return {
        "id": 900100,
        "node_id": "R_900100",
        "name": name,
        "full_name": full_name,
        "private": True,
        "owner": account(OWNER, 4200, "Organization"),
        "html_url": f"{WEB}/{full_name}",
        "description": None,
        "fork": False,
        "url": url,
        **{key: url + rest for key, rest in _REPOSITORY_URLS.items()},
        "created_at": created_at,
        "updated_at": "2026-01-05T08:00:00Z",
        "pushed_at": created_at,
        "git_url": f"git://github.com/{full_name}.git",
        "ssh_url": f"ssh://github.com/{full_name}.git",
        "clone_url": f"{WEB}/{full_name}.git",
        "svn_url": f"{WEB}/{full_name}",
        "homepage": None,
        "size": 12,
        "stargazers_count": 0,
        "watchers_count": 0,
        "language": None,
        "has_issues": True,
        "has_projects": False,
        "has_downloads": False,
        "has_wiki": False,
        "has_pages": False,
        "has_discussions": False,
        "forks_count": 0,
        "mirror_url": None,
        "archived": False,
        "disabled": False,
        "open_issues_count": 1,
        "license": None,
        "allow_forking": False,
        "is_template": False,
        "web_commit_signoff_required": False,
        "topics": [],
        "visibility": "private",
        "forks": 0,
        "open_issues": 1,
        "watchers": 0,
        "default_branch": "main",
        "custom_properties": {},
    }


def delivery(action: str | None, **more: object) -> Json:
    """Return what every delivery has, around what this one has."""
    first: Json = {} if action is None else {"action": action}
    return {**first, **more, "repository": more.get("repository", repository()), "sender": SENDER}


def deployment(number: int, sha: str, environment: str, *, transient: bool = False) -> Json:
    """Return a deployment, made a minute before its first status."""
    url = f"{API}/repos/{REPOSITORY}/deployments/{number}"
    return {
        "url": url,
        "id": number,
        "node_id": f"DE_{number}",
        "sha": sha,
        "ref": "main",
        "task": "deploy",
        "payload": {},
        "original_environment": environment,
        "environment": environment,
        "transient_environment": transient,
        "production_environment": False,
        "description": None,
        "creator": SENDER,
        "created_at": "2026-01-05T10:59:00Z",
        "updated_at": "2026-01-05T10:59:00Z",
        "statuses_url": f"{url}/statuses",
        "repository_url": f"{API}/repos/{REPOSITORY}",
    }


def deployment_status(
    state: str,
    *,
    number: int = 3900000001,
    sha: str = SQUASHED,
    environment: str = "production",
    transient: bool = False,
    at: str = "2026-01-05T11:00:00Z",
) -> Json:
    """Return the delivery of a deployment's status."""
    url = f"{API}/repos/{REPOSITORY}/deployments/{number}"
    return delivery(
        "created",
        deployment_status={
            "url": f"{url}/statuses/8800000001",
            "id": 8800000001,
            "node_id": "DES_8800000001",
            "state": state,
            "creator": SENDER,
            "description": "",
            "environment": environment,
            "target_url": "",
            "created_at": at,
            "updated_at": at,
            "deployment_url": url,
            "repository_url": f"{API}/repos/{REPOSITORY}",
            "log_url": f"{WEB}/{REPOSITORY}/actions/runs/1",
        },
        deployment=deployment(number, sha, environment, transient=transient),
    )


def label(name: str, number: int) -> Json:
    """Return a label."""
    return {
        "id": number,
        "node_id": f"LA_{number}",
        "url": f"{API}/repos/{REPOSITORY}/labels/{name}",
        "name": name,
        "color": "b60205",
        "default": False,
        "description": None,
    }


def pull_request(
    number: int,
    *,
    merge_commit: str | None = SQUASHED,
    merged_at: str | None = "2026-01-05T10:00:00Z",
    head: str = "faster-checkout",
    labels: tuple[str, ...] = (),
    commits: int = 3,
) -> Json:
    """Return the delivery of a pull request that was closed, merged or not."""
    url = f"{API}/repos/{REPOSITORY}/pulls/{number}"
    page = f"{WEB}/{REPOSITORY}/pull/{number}"
    issue = f"{API}/repos/{REPOSITORY}/issues/{number}"
    owner = account(OWNER, 4200, "Organization")
    merged = merged_at is not None
    links = {
        "self": url,
        "html": page,
        "issue": issue,
        "comments": f"{issue}/comments",
        "review_comments": f"{url}/comments",
        "review_comment": f"{API}/repos/{REPOSITORY}/pulls/comments{{/number}}",
        "commits": f"{url}/commits",
        "statuses": f"{API}/repos/{REPOSITORY}/statuses/{BRANCH_COMMIT}",
    }
    branches = {
        side: {"label": f"{OWNER}:{ref}", "ref": ref, "sha": sha, "user": owner, "repo": _hosted()}
        for side, ref, sha in (("head", head, BRANCH_COMMIT), ("base", "main", BASE))
    }
    return delivery(
        "closed",
        number=number,
        pull_request={
            "url": url,
            "id": 500000 + number,
            "node_id": f"PR_{number}",
            "html_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "issue_url": issue,
            "number": number,
            "state": "closed",
            "locked": False,
            "title": "A change",
            "user": SENDER,
            "body": None,
            "created_at": "2026-01-04T09:00:00Z",
            "updated_at": "2026-01-05T10:00:00Z",
            "closed_at": "2026-01-05T10:00:00Z",
            "merged_at": merged_at,
            "merge_commit_sha": merge_commit,
            "assignee": None,
            "assignees": [],
            "requested_reviewers": [],
            "requested_teams": [],
            "labels": [label(name, 60 + index) for index, name in enumerate(labels)],
            "milestone": None,
            "draft": False,
            "commits_url": links["commits"],
            "review_comments_url": links["review_comments"],
            "review_comment_url": links["review_comment"],
            "comments_url": links["comments"],
            "statuses_url": links["statuses"],
            **branches,
            "_links": {key: {"href": link} for key, link in links.items()},
            "author_association": "MEMBER",
            "auto_merge": None,
            "active_lock_reason": None,
            "merged": merged,
            "mergeable": None,
            "rebaseable": None,
            "mergeable_state": "unknown",
            "merged_by": SENDER if merged else None,
            "comments": 0,
            "review_comments": 0,
            "maintainer_can_modify": False,
            "commits": commits,
            "additions": 10,
            "deletions": 2,
            "changed_files": 1,
        },
    )


def _hosted() -> Json:
    """Return the repository as a branch of a pull request shows it: with its settings."""
    return {
        **repository(),
        "allow_squash_merge": True,
        "allow_merge_commit": True,
        "allow_rebase_merge": True,
        "allow_auto_merge": False,
        "allow_update_branch": False,
        "delete_branch_on_merge": True,
        "use_squash_pr_title_as_default": False,
        "squash_merge_commit_message": "COMMIT_MESSAGES",
        "squash_merge_commit_title": "COMMIT_OR_PR_TITLE",
        "merge_commit_message": "PR_TITLE",
        "merge_commit_title": "MERGE_MESSAGE",
    }


def commit(
    sha: str,
    message: str,
    *,
    timestamp: str,
    authored: str | None = None,
    distinct: bool = True,
) -> Json:
    """Return a commit as a push lists it. `author.date` came late to GitHub: older deliveries have none."""
    author = {"name": "acme", "email": None, **({"date": authored} if authored else {})}
    committer = {"name": "acme", "email": None, **({"date": timestamp} if authored else {})}
    return {
        "id": sha,
        "tree_id": "7" * 40,
        "distinct": distinct,
        "message": message,
        "timestamp": timestamp,
        "url": f"{WEB}/{REPOSITORY}/commit/{sha}",
        "author": author,
        "committer": committer,
        "added": [],
        "removed": [],
        "modified": ["checkout.txt"],
    }


def push(
    *commits: Json,
    ref: str = "refs/heads/main",
    before: str = BASE,
    after: str | None = None,
    forced: bool = False,
) -> Json:
    """Return the delivery of a push; it ends at its last commit unless told otherwise."""
    end = after or str(commits[-1]["id"])
    return delivery(
        None,
        ref=ref,
        before=before,
        after=end,
        repository={**repository(created_at=1738573200), "master_branch": "main", "stargazers": 0},
        pusher={"name": "acme-deploy[bot]", "email": None},
        created=before == NOBODY,
        deleted=end == NOBODY,
        forced=forced,
        base_ref=None,
        compare=f"{WEB}/{REPOSITORY}/compare/{before[:12]}...{end[:12]}",
        commits=list(commits),
        head_commit=commits[-1] if commits else None,
    )


def issue(
    action: str,
    *,
    labels: tuple[str, ...] = ("incident",),
    closed_at: str | None = None,
    updated_at: str = "2026-01-05T12:00:00Z",
    set_label: str | None = None,
) -> Json:
    """Return the delivery of an issue's opening, labelling or closing."""
    url = f"{API}/repos/{REPOSITORY}/issues/41"
    reactions = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")
    more: Json = {} if set_label is None else {"label": label(set_label, 60)}
    return delivery(
        action,
        issue={
            "url": url,
            "repository_url": f"{API}/repos/{REPOSITORY}",
            "labels_url": f"{url}/labels{{/name}}",
            "comments_url": f"{url}/comments",
            "events_url": f"{url}/events",
            "html_url": f"{WEB}/{REPOSITORY}/issues/41",
            "id": 770041,
            "node_id": "I_770041",
            "number": 41,
            "title": "Checkout fails",
            "user": SENDER,
            "labels": [label(name, 60 + index) for index, name in enumerate(labels)],
            "state": "closed" if closed_at else "open",
            "locked": False,
            "assignee": None,
            "assignees": [],
            "milestone": None,
            "comments": 0,
            "created_at": "2026-01-05T11:30:00Z",
            "updated_at": updated_at,
            "closed_at": closed_at,
            "author_association": "MEMBER",
            "active_lock_reason": None,
            "body": None,
            "reactions": {"url": f"{url}/reactions", "total_count": 0, **dict.fromkeys(reactions, 0)},
            "timeline_url": f"{url}/timeline",
            "state_reason": "completed" if closed_at else None,
        },
        **more,
    )


def ping() -> Json:
    """Return the delivery that GitHub sends when the webhook of a repository is made."""
    url = f"{API}/repos/{REPOSITORY}/hooks/31"
    return delivery(
        None,
        zen="Keep it logically awesome.",
        hook_id=31,
        hook={
            "type": "Repository",
            "id": 31,
            "name": "web",
            "active": True,
            "events": ["deployment_status", "pull_request", "push"],
            "config": {
                "content_type": "json",
                "insecure_ssl": "0",
                "secret": "********",
                "url": "https://dora.example/webhooks/github",
            },
            "updated_at": "2026-01-05T08:00:00Z",
            "created_at": "2026-01-05T08:00:00Z",
            "url": url,
            "test_url": f"{url}/test",
            "ping_url": f"{url}/pings",
            "deliveries_url": f"{url}/deliveries",
            "last_response": {"code": None, "status": "unused", "message": None},
        },
    )


def listed(name: str, number: int) -> Json:
    """Return a repository as an installation lists it."""
    return {
        "id": number,
        "node_id": f"R_{number}",
        "name": name,
        "full_name": f"{OWNER}/{name}",
        "private": True,
    }


def installation(action: str, **more: object) -> Json:
    """Return the delivery of an App's installation; it has no `repository`."""
    api = f"{API}/app/installations/55"
    return {
        "action": action,
        "installation": {
            "id": 55,
            "account": account(OWNER, 4200, "Organization"),
            "repository_selection": "selected",
            "access_tokens_url": f"{api}/access_tokens",
            "repositories_url": f"{API}/installation/repositories",
            "html_url": f"{WEB}/organizations/{OWNER}/settings/installations/55",
            "app_id": 66,
            "target_id": 4200,
            "target_type": "Organization",
            "permissions": {"deployments": "read", "pull_requests": "read", "contents": "read"},
            "events": ["deployment_status", "pull_request", "push"],
            "created_at": 1767600000,
            "updated_at": 1767600000,
            "single_file_name": None,
            "suspended_by": None,
            "suspended_at": None,
        },
        **more,
        "sender": SENDER,
    }


def renamed() -> Json:
    """Return the delivery of a repository's new name; its id stays."""
    return delivery("renamed", changes={"repository": {"name": {"from": NAME}}}, repository=repository("store"))


def deliveries() -> dict[str, Json]:
    """Return every delivery by the name of its file."""
    branch_commit = commit(
        BRANCH_COMMIT,
        "Check out faster",
        timestamp="2026-01-03T17:00:00+02:00",
        authored="2026-01-03T16:30:00+02:00",
        distinct=False,
    )
    states = ("queued", "in_progress", "waiting", "pending", "success", "failure", "error")
    return {
        **{f"deployment_status.{state}": deployment_status(state) for state in states},
        "deployment_status.preview": deployment_status("success", environment="preview/pr-7", transient=True),
        "deployment.created": delivery(
            "created",
            deployment=deployment(3900000001, SQUASHED, "production"),
            workflow=None,
            workflow_run=None,
        ),
        "pull_request.squashed": pull_request(7),
        "pull_request.hotfix": pull_request(8, head="hotfix/tax", labels=("hotfix",), commits=1),
        "pull_request.revert": pull_request(9, head="revert-7-faster-checkout", commits=1),
        "pull_request.abandoned": pull_request(10, merged_at=None),
        "push.squashed": push(
            commit(
                SQUASHED,
                "Check out faster (#7)",
                timestamp="2026-01-05T10:00:00Z",
                authored="2026-01-05T10:00:00Z",
            )
        ),
        "push.merged": push(
            branch_commit,
            commit(
                MERGE_COMMIT,
                "Merge pull request #7 from acme/faster-checkout\n\nCheck out faster",
                timestamp="2026-01-05T10:00:00Z",
                authored="2026-01-05T10:00:00Z",
            ),
        ),
        "push.old_sender": push(commit(SQUASHED, "Fix the tax", timestamp="2026-01-05T09:00:00-07:00")),
        "push.forced": push(branch_commit, forced=True),
        "push.new_branch": push(branch_commit, ref="refs/heads/faster-checkout", before=NOBODY),
        "push.branch_deleted": push(ref="refs/heads/faster-checkout", after=NOBODY),
        "push.tag": push(ref="refs/tags/v1", before=NOBODY, after=SQUASHED),
        "issues.opened": issue("opened"),
        "issues.labeled": issue("labeled", set_label="incident"),
        "issues.closed": issue("closed", closed_at="2026-01-05T13:00:00Z"),
        "ping.repository": ping(),
        "installation.created": installation("created", repositories=[listed(NAME, 900100), listed("till", 900101)]),
        "installation_repositories.added": installation(
            "added",
            repository_selection="selected",
            repositories_added=[listed("till", 900101)],
            repositories_removed=[],
            requester=None,
        ),
        "repository.renamed": renamed(),
    }


def text(body: Json) -> str:
    """Return the body as GitHub writes it."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)


if __name__ == "__main__":
    for name, body in deliveries().items():
        (FOLDER / f"{name}.json").write_text(text(body), encoding="utf-8")
