from __future__ import annotations

import pytest

from dora.domain.instant import MICROSECONDS
from dora.environ import duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("0s", 0), ("90s", 90), ("15m", 900), ("48h", 172_800), ("30d", 2_592_000), (" 1H30M ", 5400)],
)
def test_a_duration_is_written_in_days_hours_minutes_and_seconds(text: str, seconds: int) -> None:
    assert duration(text) == seconds * MICROSECONDS


@pytest.mark.parametrize("text", ["", " ", "5", "1.5h", "-1s", "1m1h", "1s1s", "1w", "s", "1 h", "1" * 10 + "s", "٣s"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        duration(text)
