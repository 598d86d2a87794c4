"""The one shell around the core: append, apply, record, hand out questions."""

from dora.observer.shell import Observer, Standing

__all__ = ["Observer", "Standing"]
