"""Where facts are kept: memory, a volume, a bucket, Redis. Each is a `dora.ports.Journal`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from dora.adapters.journal.memory import Memory
from dora.adapters.journal.volume import Volume

if TYPE_CHECKING:
    from dora.ports import Journal


def journal(url: str, *, reader: bool = False) -> Journal:
    """Return the journal that a state's URL names; nothing is opened yet.

    Args:
        url: `memory:`, `file:///directory`, `s3://bucket/prefix`, `gs://…`, `az://…`, `redis://…` or `rediss://…`.
        reader: take nothing over and change nothing; only `open` and `replay` may be called.

    Raises:
        ValueError: the URL names none, or its extra is not installed. The text does not quote the URL.
    """
    split = urlsplit(url)
    match split.scheme:
        case "memory" if url == "memory:":
            return Memory()
        case "file":
            path = unquote(split.path)
            if split.netloc not in {"", "localhost"} or not path.startswith("/") or not path.strip("/"):
                raise ValueError("names no directory: file:///path has three slashes")
            return Volume(Path(path), reader=reader)
        case "s3" | "gs" | "az":
            return _bucket(url, reader=reader)
        case "redis" | "rediss":
            return _stream(url)
        case _:
            raise ValueError("not one of memory:, file:///directory, s3://, gs://, az://, redis://, rediss://")


def _bucket(url: str, *, reader: bool) -> Journal:
    try:
        from dora.adapters.journal.objects import Objects  # noqa: PLC0415 - an extra, loaded only by who wants it
    except ImportError as error:
        raise ValueError("a bucket needs the extra: pip install 'dora[bucket]'") from error
    from dora.adapters.journal.bucket import Bucket  # noqa: PLC0415 - the same

    place = url.partition("?")[0].rstrip("/")
    return Bucket(Objects.at(place), place=place, reader=reader)


def _stream(url: str) -> Journal:
    try:
        from dora.adapters.journal.redis import Stream  # noqa: PLC0415 - an extra, loaded only by who wants it
    except ImportError as error:
        raise ValueError("Redis needs the extra: pip install 'dora[redis]'") from error
    return Stream(url)


__all__ = ["Memory", "Volume", "journal"]
