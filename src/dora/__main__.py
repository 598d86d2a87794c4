"""`python -m dora`: the command line, where the console script is not on the path."""

from __future__ import annotations

import sys

from dora.cli import main

sys.exit(main())
