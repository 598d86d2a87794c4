"""`GET /`: a page for people. Made here of what is known, without scripts and without anything from elsewhere."""

from dora.adapters.http.page.about import About
from dora.adapters.http.page.endpoint import PageEndpoint

__all__ = ["About", "PageEndpoint"]
