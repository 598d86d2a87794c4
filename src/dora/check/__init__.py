"""`dora check`: looks at the settings and at what surrounds the service, and says what to do about what it finds."""

from dora.check.command import main

__all__ = ["main"]
