"""GitHub's revert button, recognised by the branch it makes."""

from __future__ import annotations

import re
from typing import Final

# `revert-N-BRANCH`, where BRANCH is what N was merged from. Reverting that in turn gives `revert-M-revert-N-BRANCH`,
# which brings the change back and so is an ordinary one. The longest number is far beyond any pull request's.
_HEAD: Final = re.compile(r"revert-(?P<number>[1-9][0-9]{0,17})-(?!revert-[0-9])", re.ASCII)


def reverted(head: str) -> int | None:
    """Return the number of the pull request that the one with this head branch reverts; None if it reverts none."""
    match = _HEAD.match(head)
    return None if match is None else int(match["number"])
