from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dora.adapters.prometheus import Format, accepts_gzip, negotiate

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0;q=0.75,application/openmetrics-text;version=0.0.1;q=0.66,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROTOBUF = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, TEXT),
        ("", TEXT),
        ("*/*", TEXT),
        ("text/*", TEXT),
        ("application/*", OPENMETRICS),
        ("image/png", TEXT),
        (BROWSER, TEXT),
        ("text/plain", TEXT),
        ("text/plain;version=0.0.4", TEXT),
        ("application/openmetrics-text", OPENMETRICS),
        ("Application/OpenMetrics-Text; Version=1.0.0", OPENMETRICS),
        ('application/openmetrics-text; version="1.0.0"', OPENMETRICS),
        ("application/openmetrics-text;version=1.0.0;charset=utf-8", OPENMETRICS),
        # versions that are not ours fall through
        ("application/openmetrics-text;version=0.0.1", TEXT),
        ("application/openmetrics-text;version=2.0.0", TEXT),
        ("application/openmetrics-text;version=1.0.0x", TEXT),
        ("application/openmetrics-text;version=2.0.0, application/openmetrics-text;version=1.0.0;q=0.1", OPENMETRICS),
        ("text/plain;version=1.0.0", TEXT),
        ("text/plain;version=1.0.0, application/openmetrics-text;q=0.1", OPENMETRICS),
        # weights
        ("application/openmetrics-text;q=0.2, text/plain;q=0.3", TEXT),
        ("application/openmetrics-text;q=0.3, text/plain;q=0.2", OPENMETRICS),
        ("text/plain;q=0.2, application/openmetrics-text;q=0.3", OPENMETRICS),
        ("application/openmetrics-text;q=0", TEXT),
        ("application/openmetrics-text;q=0, */*", TEXT),
        ("text/plain;q=0, */*", OPENMETRICS),
        ("text/plain;q=0, application/openmetrics-text;q=0", TEXT),
        ("*/*;q=0", TEXT),
        ("application/openmetrics-text;q=0.5, */*", TEXT),
        ("*/*, application/openmetrics-text", OPENMETRICS),
        ("text/plain, application/openmetrics-text", TEXT),
        ("application/openmetrics-text, text/plain", OPENMETRICS),
        # a weight that is none: the item does not count
        ("application/openmetrics-text;q=2", TEXT),
        ("application/openmetrics-text;q=-1", TEXT),
        ("application/openmetrics-text;q=nan", TEXT),
        ("application/openmetrics-text;q=", TEXT),
        # escaping
        ("application/openmetrics-text;version=1.0.0;escaping=dots", f"{OPENMETRICS}; escaping=dots"),
        ("application/openmetrics-text;version=1.0.0;escaping=values", f"{OPENMETRICS}; escaping=values"),
        ("application/openmetrics-text;version=1.0.0;escaping=underscores", f"{OPENMETRICS}; escaping=underscores"),
        ("application/openmetrics-text;version=1.0.0;escaping=evil\r\nX: y", OPENMETRICS),
        ("text/plain;version=0.0.4;escaping=dots", TEXT),
        # Prometheus itself
        (PROMETHEUS_3, f"{OPENMETRICS}; escaping=allow-utf-8"),
        (PROTOBUF + PROMETHEUS_3, f"{OPENMETRICS}; escaping=allow-utf-8"),
        (PROMETHEUS_2, OPENMETRICS),
        # nonsense
        (",,;;==", TEXT),
        (";q=1", TEXT),
        ('text/plain;a="unclosed, application/openmetrics-text', TEXT),
        ('text/plain;q=0.1;a="x,y;q=1", application/openmetrics-text;q=0.5', OPENMETRICS),
    ],
)
def test_the_heaviest_format_that_is_ours_is_taken(accept: str | None, content_type: str) -> None:
    assert negotiate(accept).content_type == content_type


@settings(deadline=None)  # what a test takes depends on the machine's other work
@given(st.one_of(st.text(), st.text('*/,;="\\q01. openmetrics-text/plain')))
def test_no_header_whatever_is_an_error(header: str) -> None:
    assert isinstance(negotiate(header), Format)
    assert accepts_gzip(header) in {True, False}


@pytest.mark.parametrize(
    ("accept_encoding", "accepted"),
    [
        (None, False),
        ("", False),
        ("identity", False),
        ("br, zstd", False),
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("deflate, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip;q=0.0", False),
        ("*", True),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
        ("identity;q=0, *;q=0.1", True),
        ("gzip;q=0.5, identity", False),
        ("gzip;q=0.5, identity;q=0.5", True),
        ("gzip;q=much", False),
        ("notgzip", False),
    ],
)
def test_gzip_is_used_where_it_is_wanted(accept_encoding: str | None, accepted: bool) -> None:  # noqa: FBT001 - a table
    assert accepts_gzip(accept_encoding) is accepted
