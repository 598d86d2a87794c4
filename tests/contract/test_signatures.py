"""An S3 that checks who asks: Ceph's. It is used as `s3://` is, with credentials from the environment."""

from __future__ import annotations

from collections.abc import Iterator
from secrets import token_bytes, token_hex

import boto3  # type: ignore[import-untyped] # it has no types
import pytest
from obstore.store import S3Store

from dora.adapters.journal.bucket import Bucket
from dora.adapters.journal.objects import Objects
from dora.ports import Unavailable
from tests.contract.servers import S3_SECRET, ceph, free_port, server

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port = free_port()
    with server(ceph(port), port=port, folder=tmp_path_factory.mktemp("ceph"), kill=True):
        boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id="key",
            aws_secret_access_key=S3_SECRET,
            region_name="us-east-1",
        ).create_bucket(Bucket="dora")
        yield port


def objects(port: int, *, secret: str = S3_SECRET) -> Objects:
    store = S3Store(
        "dora",
        prefix=token_hex(4),
        config={
            "endpoint": f"http://127.0.0.1:{port}",
            "access_key_id": "key",
            "secret_access_key": secret,
            "region": "us-east-1",
            "virtual_hosted_style_request": False,
        },
        client_options={"allow_http": True},
    )
    return Objects(store, place="s3://dora")


async def test_every_request_is_signed_as_the_store_wants_it(port: int) -> None:
    kept = objects(port)
    large = token_bytes(7_000_000)
    for name in ("3", "1", "2"):
        assert await kept.create(f"log/{name}", name.encode())
    assert await kept.create("snapshot/1", large)
    assert await kept.read("log/1") == b"1"
    assert await kept.read("log/4") is None
    assert await kept.read("snapshot/1") == large
    assert await kept.names("log") == ["1", "2", "3"]
    assert await kept.names("log", after="1") == ["2", "3"]
    await kept.delete(["log/1", "log/2"])
    assert await kept.names("log") == ["3"]


async def test_a_wrong_secret_is_refused_and_in_no_message(port: int) -> None:
    stranger = objects(port, secret="another-secret")
    with pytest.raises(Unavailable, match="403") as refused:
        await stranger.create("log/1", b"")
    assert "another-secret" not in str(refused.value)
    for asked in (stranger.read("log/1"), stranger.names("log"), stranger.delete(["log/1"])):
        with pytest.raises(Unavailable):
            await asked


async def test_a_store_that_does_not_enforce_create_only_writes_is_not_used(port: int) -> None:
    # Ceph does where a cluster is behind it; with the small database of this test it overwrites without a word.
    with pytest.raises(Unavailable, match="does not enforce create-only writes"):
        await Bucket(objects(port), place="s3://dora").open()
