from __future__ import annotations

import pytest

from tests.contract.make_deliveries import FOLDER, deliveries, text


@pytest.mark.parametrize("name", deliveries())
def test_the_recipe_makes_the_delivery_that_is_kept(name: str) -> None:
    assert (FOLDER / f"{name}.json").read_text(encoding="utf-8") == text(deliveries()[name])


def test_every_delivery_that_is_kept_has_a_recipe() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(deliveries())
