"""Checks whether a passphrase opens a stack file, before anything is started.

Pulumi's passphrase provider keeps a check value in the stack file:
`encryptionsalt: v1:<salt>:v1:<nonce>:<ciphertext>`, the word `pulumi` under AES-256-GCM with a key
from PBKDF2-HMAC-SHA256, 1,000,000 rounds (pulumi `pkg/secrets/passphrase/manager.go` and
`sdk/go/common/resource/config/crypt.go`).
"""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

_ROUNDS = 1_000_000
_PROOF = b"pulumi"


def _key(passphrase: str, salt: bytes) -> bytes:
    kdf = PBKDF2HMAC(algorithm=hashes.SHA256(), length=32, salt=salt, iterations=_ROUNDS)
    return kdf.derive(passphrase.encode())


def make_encryption_salt(passphrase: str, *, salt: bytes, nonce: bytes) -> str:
    """Return the `encryptionsalt` line's value; 8 bytes of salt, 12 of nonce."""
    sealed = AESGCM(_key(passphrase, salt)).encrypt(nonce, _PROOF, None)
    parts = (base64.b64encode(part).decode() for part in (salt, nonce, sealed))
    first, second, third = parts
    return f"v1:{first}:v1:{second}:{third}"


def opens(passphrase: str, encryption_salt: str) -> bool:
    """Whether the passphrase is the one that the salt was made with.

    False for a value of another form: pulumi would refuse it, too.
    """
    try:
        version, salt, inner, nonce, sealed = encryption_salt.split(":")
        if (version, inner) != ("v1", "v1"):
            return False
        key = _key(passphrase, base64.b64decode(salt, validate=True))
        opened = AESGCM(key).decrypt(
            base64.b64decode(nonce, validate=True), base64.b64decode(sealed, validate=True), None
        )
    except (ValueError, binascii.Error, InvalidTag):
        return False
    return opened == _PROOF
