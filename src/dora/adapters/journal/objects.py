"""The few things a bucket must do, done by obstore: S3, Google Cloud Storage, Azure Blob Storage."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import from_url

from dora.ports import Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from obstore.store import ObjectStore

_PATIENCE = timedelta(seconds=10)
"""How long obstore repeats a request by itself. Longer outages are the caller's: it answers 503 meanwhile."""

_FAILURES = (BaseError, OSError)  # obstore raises Python's own errors where there is one that fits

_STATUS = re.compile(r"\b[45]\d\d [A-Z][A-Za-z ]+")


class Objects:
    """Objects under one prefix of a bucket.

    Credentials, region and endpoint come from the environment, under the names that the store's own tools use
    (`AWS_…`, `GOOGLE_…`, `AZURE_…`); https://developmentseed.org/obstore/latest/authentication/.
    """

    def __init__(self, store: ObjectStore, *, place: str) -> None:
        self._store = store
        self._place = place

    @classmethod
    def at(cls, url: str) -> Objects:
        """Return the objects under `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`.

        Raises:
            ValueError: no store can be made of the URL and the environment.
        """
        try:
            store = from_url(
                url,
                # Plain HTTP is used only where the environment names such an endpoint (a store in the same cluster).
                client_options={"connect_timeout": "3s", "timeout": "10s", "allow_http": True},
                retry_config={"max_retries": 2, "retry_timeout": _PATIENCE},
            )
        except (*_FAILURES, ValueError) as error:
            raise ValueError(f"cannot make a store of the bucket's URL and the environment ({_kind(error)})") from error
        return cls(store, place=url)

    async def create(self, key: str, body: bytes) -> bool:
        """Store the object if there is none of that key; return whether there was none.

        The condition is the server's: `If-None-Match: *` on S3 and Azure, generation 0 on Google Cloud Storage.

        Raises:
            Unavailable: it may or may not be stored.
        """
        try:
            await self._store.put_async(key, body, mode="create", use_multipart=False)
        except (AlreadyExistsError, PreconditionError):
            return False
        except _FAILURES as error:
            raise Unavailable(f"{self._place}/{key}: cannot be written ({_kind(error)})") from error
        return True

    async def read(self, key: str) -> bytes | None:
        """Return the object, None if there is none.

        Raises:
            Unavailable: nobody can tell now.
        """
        try:
            result = await self._store.get_async(key)
            return bytes(await result.bytes_async())
        except FileNotFoundError:
            return None
        except _FAILURES as error:
            raise Unavailable(f"{self._place}/{key}: cannot be read ({_kind(error)})") from error

    async def names(self, folder: str, *, after: str | None = None) -> list[str]:
        """Return the keys in a folder, sorted, optionally only those behind one.

        Raises:
            Unavailable: nobody can tell now.
        """
        found: list[str] = []
        try:
            async for page in self._store.list(folder, offset=after and f"{folder}/{after}", chunk_size=1000):
                found += [str(item["path"]).rpartition("/")[2] for item in page]
        except _FAILURES as error:
            raise Unavailable(f"{self._place}/{folder}: cannot be listed ({_kind(error)})") from error
        # Azure begins with the offset itself, the others behind it.
        return sorted(name for name in found if after is None or name > after)

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete the objects; those that are gone already are no error.

        Raises:
            Unavailable: not all are deleted.
        """
        try:
            await self._store.delete_async(list(keys))
        except FileNotFoundError:
            return
        except _FAILURES as error:
            raise Unavailable(f"{self._place}: objects cannot be deleted ({_kind(error)})") from error


def _kind(error: Exception) -> str:
    # Not the error's text: it quotes requests, and a request may carry a signature.
    status = _STATUS.search(str(error))
    return f"{type(error).__name__}, {status.group().strip()}" if status else type(error).__name__
