from __future__ import annotations

import pytest

from dora.adapters.events.places import Place, Unwrapped, plain
from dora.ports import Invalid, Problem
from tests.unit.adapters.events.samples import RECEIVED_AT, event, without


def test_a_place_is_told_by_its_pointer() -> None:
    assert Place().problem("is wrong") == Problem("", "is wrong")
    assert Place("/1").below("/data").below("/sha").problem("is wrong") == Problem("/1/data/sha", "is wrong")


def test_what_no_pointer_reaches_is_told_in_words() -> None:
    assert Place("/x", "the text in it").problem("is wrong") == Problem("/x", "the text in it is wrong")
    assert Place("/x", "the text in it").below("/a").below("/b").problem("is wrong") == Problem(
        "/x", "the text in it at /a/b is wrong"
    )


def test_a_problem_is_told_where_its_field_was_sent() -> None:
    sent = Unwrapped(
        form={}, at=Place("/data"), elsewhere={"sha": Place("/version"), "occurred_at": Place("", "a header")}
    )
    told = {
        pointer: sent.as_sent(Problem(pointer, "is wrong")) for pointer in ("/id", "/sha", "/sha/1", "/occurred_at", "")
    }
    assert told == {
        "/id": Problem("/data/id", "is wrong"),
        "/sha": Problem("/version", "is wrong"),
        "/sha/1": Problem("/version/1", "is wrong"),
        "/occurred_at": Problem("", "a header is wrong"),
        "": Problem("/data", "is wrong"),
    }


def test_what_is_wrong_around_and_inside_is_told_together_and_each_field_once() -> None:
    sent = Unwrapped(
        form=without(event(surprise=1), "sha", "repository"),
        at=Place("/data"),
        problems=(Problem("/version", "is no commit"),),
        told=frozenset({"sha"}),
    )
    with pytest.raises(Invalid) as raised:
        sent.read(received_at=RECEIVED_AT)
    assert raised.value.problems == (
        Problem("/version", "is no commit"),
        Problem("/data/surprise", "is no field of the form"),
        Problem("/data/repository", "is required"),
    )


def test_an_event_in_order_is_refused_for_what_is_around_it() -> None:
    sent = Unwrapped(form=event(), at=Place(), problems=(Problem("/version", "is no commit"),))
    with pytest.raises(Invalid):
        sent.read(received_at=RECEIVED_AT)


def test_an_event_may_be_sent_as_it_is() -> None:
    assert plain(event(), Place("/3")).read(received_at=RECEIVED_AT).deployment_id == "d1"
    with pytest.raises(Invalid) as raised:
        plain([], Place("/3")).read(received_at=RECEIVED_AT)
    assert raised.value.problems == (Problem("/3", "must be an object"),)
