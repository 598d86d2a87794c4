from __future__ import annotations

import gzip

from dora.adapters.prometheus import Format, Internals
from dora.domain.outcome import Status
from tests.unit.adapters.prometheus.observed import OPENMETRICS, TEXT, families


def samples(internals: Internals, format_: Format = OPENMETRICS) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = b"".join(internals.exposition(format_)).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families(text, openmetrics=format_.openmetrics)
        for sample in family.samples
    }


def at(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def test_events_are_counted_by_repository_door_type_and_outcome() -> None:
    internals = Internals("1.2.3")
    for outcome in (Status.COUNTED, Status.DUPLICATE, Status.DUPLICATE):
        internals.event(repository="acme/shop", source="github", type_="deployment_status", outcome=outcome)
    seen = samples(internals)
    labels = {"repository": "acme/shop", "source": "github", "type": "deployment_status"}
    assert seen[at("dora_events_total", outcome="counted", **labels)] == 1
    assert seen[at("dora_events_total", outcome="duplicate", **labels)] == 2


def test_every_reason_of_a_refusal_is_there_from_the_start() -> None:
    internals = Internals("1.2.3")
    assert samples(internals)[at("dora_rejected_deliveries_total", reason="unauthenticated")] == 0
    internals.rejected("unauthenticated")
    assert samples(internals)[at("dora_rejected_deliveries_total", reason="unauthenticated")] == 1


def test_refusals_are_told_by_the_reasons_that_occurred() -> None:
    internals = Internals("1.2.3")
    assert internals.rejections() == {}
    for reason in ("unauthenticated", "malformed", "unauthenticated"):
        internals.rejected(reason)
    assert internals.rejections() == {"unauthenticated": 2, "malformed": 1}


def test_a_reason_that_is_not_on_the_list_makes_no_series() -> None:
    internals = Internals("1.2.3")
    internals.rejected("a reason with a value in it: 7f3a")
    seen = samples(internals)
    assert seen[at("dora_rejected_deliveries_total", reason="other")] == 1
    assert not [labels for _, labels in seen if "7f3a" in str(labels)]


def test_requests_are_counted_and_timed_and_a_made_up_method_makes_no_series() -> None:
    internals = Internals("1.2.3")
    internals.request(route="/metrics", method="GET", status=200, seconds=0.003)
    internals.request(route="other", method="BREW", status=405, seconds=0.001)
    seen = samples(internals)
    assert seen[at("dora_http_requests_total", route="/metrics", method="GET", status="200")] == 1
    assert seen[at("dora_http_requests_total", route="other", method="other", status="405")] == 1
    bucket = "dora_http_request_duration_seconds_bucket"
    assert seen[at(bucket, route="/metrics", method="GET", le="0.0025")] == 0
    assert seen[at(bucket, route="/metrics", method="GET", le="0.005")] == 1


def test_repositories_compared_with_githubs_lists_are_counted_by_result() -> None:
    internals = Internals("1.2.3")
    internals.reconciled("done")
    internals.reconciled("refused")
    seen = samples(internals)
    assert seen[at("dora_reconciliations_total", result="done")] == 1
    assert seen[at("dora_reconciliations_total", result="refused")] == 1


def test_queue_and_readiness_are_asked_for_when_scraped() -> None:
    internals = Internals("1.2.3")
    queue = [1, 2, 3]
    internals.watch_queue(lambda: len(queue))
    internals.watch_ready(lambda: bool(queue))
    assert samples(internals)[at("dora_queued_entries")] == 3
    assert samples(internals)[at("dora_ready")] == 1
    queue.clear()
    assert samples(internals)[at("dora_queued_entries")] == 0
    assert samples(internals)[at("dora_ready")] == 0


def test_the_build_and_the_process_are_described() -> None:
    seen = samples(Internals("1.2.3", "abc1234"))
    assert seen[at("dora_build_info", version="1.2.3", revision="abc1234")] == 1
    assert seen[at("process_start_time_seconds")] > 0
    assert "python_gc_collections_total" in {name for name, _ in seen}


def test_the_text_format_has_no_created_samples() -> None:
    internals = Internals("1.2.3")
    internals.request(route="/", method="GET", status=200, seconds=0)
    names = {name for name, _ in samples(internals, TEXT)}
    assert "dora_http_requests_total" in names
    assert not {name for name in names if name.endswith("_created")}


def test_two_processes_in_one_share_nothing() -> None:
    one, other = Internals("1"), Internals("2")
    one.rejected("malformed")
    assert samples(other)[at("dora_rejected_deliveries_total", reason="malformed")] == 0


def test_an_answer_names_its_format_and_encoding() -> None:
    internals = Internals("1.2.3")
    plain = internals.answer(accept=None, accept_encoding=None)
    assert (plain.content_type, plain.content_encoding) == ("text/plain; version=0.0.4; charset=utf-8", None)
    assert b"dora_build_info" in b"".join(plain.body)
    zipped = internals.answer(accept="application/openmetrics-text", accept_encoding="gzip")
    assert zipped.content_encoding == "gzip"
    assert gzip.decompress(b"".join(zipped.body)).endswith(b"# EOF\n")
