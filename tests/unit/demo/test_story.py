from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from dora.demo.story import DAYS, Delivery, week

NOW = datetime(2026, 3, 9, 15, 30, 20, tzinfo=UTC)


def bodies(*events: str) -> list[dict[str, object]]:
    return [json.loads(delivery.body) for delivery in week(NOW) if delivery.event in events]


def test_the_same_moment_gives_the_same_deliveries() -> None:
    assert week(NOW) == week(NOW)


def test_a_later_moment_tells_the_same_story_later() -> None:
    later = week(NOW + timedelta(days=3))
    assert [delivery.at - timedelta(days=3) for delivery in later] == [delivery.at for delivery in week(NOW)]


def test_everything_but_the_opening_of_pull_requests_is_in_the_past_week_and_in_order() -> None:
    story = week(NOW)
    assert [delivery.at for delivery in story] == sorted(delivery.at for delivery in story)
    assert story[-1].at < NOW
    happened = [delivery.at for delivery in story if b'"action":"opened","number"' not in delivery.body]
    assert min(happened) >= NOW - timedelta(days=DAYS, minutes=1)


def test_each_push_begins_where_the_one_before_ended() -> None:
    pushes: dict[object, list[dict[str, object]]] = {}
    for body in bodies("push"):
        repository = body["repository"]
        assert isinstance(repository, dict)
        pushes.setdefault(repository["full_name"], []).append(body)
    assert len(pushes) == 3
    for line in pushes.values():
        assert all(earlier["after"] == later["before"] for earlier, later in pairwise(line))


def test_every_deployed_commit_was_pushed_before() -> None:
    pushed: set[str] = set()
    deployed = 0
    for delivery in week(NOW):
        body = json.loads(delivery.body)
        if delivery.event == "push":
            pushed |= {commit["id"] for commit in body["commits"]}
        elif delivery.event == "deployment":
            deployed += 1
            assert body["deployment"]["sha"] in pushed
    assert deployed == 35


def test_no_delivery_names_a_person() -> None:
    for delivery in week(NOW):
        assert b'"name":"A' not in delivery.body
        assert b"email" not in delivery.body
        assert b"login" not in delivery.body


def test_github_speaks_to_one_door_and_scripts_to_the_other() -> None:
    def door(delivery: Delivery) -> str:
        return "/api/event" if delivery.event is None else "/webhooks/github"

    assert all(delivery.path == door(delivery) for delivery in week(NOW))
    assert {delivery.path for delivery in week(NOW)} == {"/api/event", "/webhooks/github"}
