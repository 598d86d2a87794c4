from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from dora.adapters.github.app import private_key


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


def test_a_key_is_read_as_github_writes_it_and_with_its_line_breaks_written_out() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    for text in (pem(key), pem(key).replace("\n", "\\n")):
        assert private_key(text).private_numbers() == key.private_numbers()


def test_what_is_no_key_is_refused_without_being_quoted() -> None:
    elliptic = pem(ec.generate_private_key(ec.SECP256R1()))
    for text in ("", "a secret", "-----BEGIN RSA PRIVATE KEY-----\nQUJD\n-----END RSA PRIVATE KEY-----\n", elliptic):
        with pytest.raises(ValueError, match="private key") as error:
            private_key(text)
        assert "QUJD" not in str(error.value)
        assert error.value.__cause__ is None
