from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dora.domain.instant import instant
from dora.wire import rfc3339

ZONES = st.builds(lambda minutes: timezone(timedelta(minutes=minutes)), st.integers(-1439, 1439))


@given(st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=ZONES))  # noqa: DTZ001 - Hypothesis adds the zones
def test_a_time_with_any_offset_is_the_instant_that_it_names(moment: datetime) -> None:
    assert rfc3339(moment.isoformat()) == instant(moment)


@given(st.datetimes(), st.booleans())
def test_a_time_of_utc_in_whole_seconds_is_the_instant_that_it_names(moment: datetime, lower: bool) -> None:  # noqa: FBT001 - drawn
    text = f"{moment.isoformat(timespec='seconds')}Z"
    assert rfc3339(text.lower() if lower else text) == instant(moment.replace(microsecond=0, tzinfo=UTC))


@given(st.text())
def test_any_text_is_a_time_or_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"RFC 3339|calendar|years"):
        rfc3339(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-05",
        "2026-01-05T11:00:00",
        "2026-01-05 11:00:00Z",
        "2026-01-05T11:00Z",
        "2026-01-05T11:00:00+0100",
        "2026-01-05T11:00:00+24:00",
        "2026-01-05T24:00:00Z",
        "2026-01-05T11:60:00Z",
        "2026-01-05T11:00:61Z",
        "2026-02-30T11:00:00Z",
        "2026-01-05T11:00:00Z\n",
        "2026-01-05T11:00:00,5Z",
        "\uff12026-01-05T11:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "9999-12-31T23:59:60Z",
    ],
)
def test_what_is_no_rfc_3339_time_of_the_years_1_to_9999_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"RFC 3339|calendar|years"):
        rfc3339(text)


def test_lower_case_letters_an_unknown_offset_and_any_fraction_are_allowed() -> None:
    noon = instant(datetime(2026, 1, 5, 12, tzinfo=UTC))
    assert rfc3339("2026-01-05t12:00:00z") == noon
    assert rfc3339("2026-01-05T12:00:00-00:00") == noon
    assert rfc3339("2026-01-05T12:00:00.0000019Z") == noon + 1
    assert rfc3339("2026-01-05T12:00:00.5Z") == noon + 500_000


def test_a_leap_second_is_the_first_second_of_the_next_minute() -> None:
    assert rfc3339("2016-12-31T23:59:60Z") == rfc3339("2017-01-01T00:00:00Z")
    assert rfc3339("2016-12-31T23:59:60.25+00:00") == rfc3339("2017-01-01T00:00:00.25Z")
