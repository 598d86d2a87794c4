"""`dora demo`: a made-up organisation's week, sent to the real service over HTTP."""

from __future__ import annotations

from dora.demo.command import main

__all__ = ["main"]
