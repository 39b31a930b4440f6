"""Secrets encrypted by a passphrase, as the Pulumi CLI does it, so that a stack file moves between the two.

Salt: `v1:<salt>:v1:<nonce>:<"pulumi" encrypted>`, ciphertext: `v1:<nonce>:<sealed>`, all base64; the key is
PBKDF2-HMAC-SHA256 of the passphrase, 1,000,000 rounds, 32 bytes; AES-256-GCM.
Source: NewSymmetricCrypterFromPassphrase, pulumi/sdk/go/common/resource/config/crypt.go.
"""

import functools
import getpass
import hashlib
import os
import sys
from base64 import b64decode, b64encode
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from workbench.errors import WorkbenchError

ROUNDS = 1_000_000
WITNESS = "pulumi"
WRONG = (
    "the passphrase is not the one of this stack: set PULUMI_CONFIG_PASSPHRASE (or PULUMI_CONFIG_PASSPHRASE_FILE)"
    " to the one that the stack was made with"
)


class Crypter:
    """Encrypts and decrypts texts with one key. What it has seen keeps its ciphertext, so that files stay
    as they are where their content does.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._known: dict[str, str] = {}

    def encrypt(self, text: str) -> str:
        if text not in self._known:
            nonce = os.urandom(12)
            sealed = self._cipher.encrypt(nonce, text.encode(), None)
            self._known[text] = f"v1:{b64encode(nonce).decode()}:{b64encode(sealed).decode()}"
        return self._known[text]

    def decrypt(self, ciphertext: str) -> str:
        """The text; raises WorkbenchError where the key or the form is wrong."""
        parts = ciphertext.split(":")
        try:
            version, nonce, sealed = parts
            if version != "v1":
                raise ValueError(version)
            text = self._cipher.decrypt(
                b64decode(nonce, validate=True), b64decode(sealed, validate=True), None
            )
        except (ValueError, InvalidTag) as error:
            raise WorkbenchError(f"a secret cannot be decrypted: {WRONG}") from error
        self._known[text.decode()] = ciphertext
        return text.decode()


@functools.cache
def _key(passphrase: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, ROUNDS, 32)


@functools.cache
def crypter_of(passphrase: str, salt: str) -> Crypter:
    """The crypter of a stack whose file holds `encryptionsalt: salt`."""
    parts = salt.split(":", 2)
    if len(parts) != 3 or parts[0] != "v1":
        raise WorkbenchError("the stack file's encryptionsalt is not of the form v1:SALT:v1:NONCE:TEXT")
    try:
        raw = b64decode(parts[1], validate=True)
    except ValueError as error:
        raise WorkbenchError("the salt in the stack file's encryptionsalt is not base64") from error
    crypter = Crypter(_key(passphrase, raw))
    try:
        known = crypter.decrypt(parts[2])
    except WorkbenchError as error:
        raise WorkbenchError(WRONG) from error
    if known != WITNESS:
        raise WorkbenchError(WRONG)
    return crypter


def new_salt(passphrase: str) -> str:
    """A fresh salt, with the witness by which a wrong passphrase is recognised."""
    salt = os.urandom(8)
    witness = Crypter(_key(passphrase, salt)).encrypt(WITNESS)
    return f"v1:{b64encode(salt).decode()}:{witness}"


@functools.cache
def _asked() -> str:
    return getpass.getpass("Passphrase of the stack's secrets: ")


def passphrase() -> str:
    """From PULUMI_CONFIG_PASSPHRASE, else the file that PULUMI_CONFIG_PASSPHRASE_FILE names, else asked for."""
    if (given := os.environ.get("PULUMI_CONFIG_PASSPHRASE")) is not None:
        return given
    if file := os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE"):
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise WorkbenchError(
                f"PULUMI_CONFIG_PASSPHRASE_FILE names {file}, which cannot be read: {error.strerror}"
            ) from error
    if sys.stdin.isatty():
        return _asked()
    raise WorkbenchError(
        "the stack has secrets: set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE"
    )
