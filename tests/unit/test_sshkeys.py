"""Lines of authorized_keys: what sshd takes is taken, and what it would pass over is refused."""

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.conftest import PUBLIC_KEY
from workbench import sshkeys

SECURITY_KEY = (
    "sk-ssh-ed25519@openssh.com "
    "AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIOy6BYUXkl9/pnRJ9SIaECwpxAZtNOJh0EPTh7rWNPqfAAAABHNzaDo="
)
KIND, BLOB, COMMENT = PUBLIC_KEY.split()


@pytest.mark.parametrize(
    "line",
    [
        PUBLIC_KEY,
        f"{KIND} {BLOB}",
        SECURITY_KEY,
        f"{PUBLIC_KEY} at home, not ssh-rsa any more",
        f"restrict {PUBLIC_KEY}",
        f"restrict,pty,no-X11-forwarding {PUBLIC_KEY}",
        f"no-touch-required {SECURITY_KEY}",
        f'from="10.0.0.0/8,!10.1.0.0/16",command="echo \\"two  words\\", said" {PUBLIC_KEY}',
        f'permitopen="db:5432",permitopen="[::1]:*",permitlisten="8080",tunnel="any" {PUBLIC_KEY}',
        f'environment="LANG=C",expiry-time="20301231Z" {PUBLIC_KEY}',
        f'cert-authority,principals="ada,grace" {PUBLIC_KEY}',
    ],
)
def test_what_sshd_takes_is_taken_as_it_is(line: str) -> None:
    assert sshkeys.line(line) == line


def test_tabs_between_the_parts_become_spaces() -> None:
    assert sshkeys.line(f"\trestrict\t{KIND}\t{BLOB}\t{COMMENT}\n") == f"restrict {PUBLIC_KEY}"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", "is no SSH public key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "is a private key"),
        (f"{PUBLIC_KEY}\n{PUBLIC_KEY}", "is no SSH public key"),
        (f"{PUBLIC_KEY} {PUBLIC_KEY}", "holds two keys"),
        (f"{KIND} {BLOB} {KIND}\t{BLOB}", "holds two keys"),
        (f"{KIND} {BLOB[:-8]}", "its base64 is cut"),
        (f"ssh-rsa {BLOB}", "not that of a key of type ssh-rsa"),
        (f"ssh-dss {BLOB}", "is no SSH public key"),
        (f"{KIND}-cert-v01@openssh.com {BLOB}", "is no SSH public key"),
        (f"no-root {PUBLIC_KEY}", "begins with no-root, which are no options"),
        (f"restrict, {PUBLIC_KEY}", "begins with restrict,, which are no options"),
        (f"command=who {PUBLIC_KEY}", "begins with command=who, which are no options"),
        (f'command="who {PUBLIC_KEY}', "is no SSH public key"),
        (f'expiry-time="tomorrow" {PUBLIC_KEY}', "which are no options"),
        (f'permitopen="db" {PUBLIC_KEY}', "which are no options"),
        (f'from="a",from="b" {PUBLIC_KEY}', "has the option from twice"),
        (f'principals="ada" {PUBLIC_KEY}', "with cert-authority only"),
    ],
)
def test_what_sshd_would_pass_over_is_refused(line: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        sshkeys.line(line)


def test_the_key_of_a_line_is_known_without_options_and_comment() -> None:
    for line in (PUBLIC_KEY, f"restrict,pty {PUBLIC_KEY}", f'command="ssh-rsa AAAA" {KIND}\t{BLOB}\n'):
        assert sshkeys.bare(line) == f"{KIND} {BLOB}"
    assert sshkeys.bare("") == ""


@pytest.mark.parametrize(
    ("options", "barrier"),
    [
        ("restrict,no-pty", ""),
        ('environment="A=from=,command="', ""),
        ('expiry-time="29991231Z"', ""),
        ('expiry-time="20200101"', 'expiry-time="20200101"'),
        ('expiry-time="202001011200Z"', 'expiry-time="202001011200Z"'),
        ('expiry-time="29991399"', 'expiry-time="29991399"'),
        ('restrict,FROM="a,\\"b"', 'FROM="a,\\"b"'),
        ('command="echo two  words"', 'command="echo two  words"'),
        ("no-pty,cert-authority", "cert-authority"),
        ("verify-required", "verify-required"),
    ],
)
def test_an_option_that_can_keep_a_deploy_out_is_named(options: str, barrier: str) -> None:
    assert sshkeys.barrier(f"{options} {PUBLIC_KEY}") == barrier


def test_a_key_without_options_has_no_barrier_whatever_its_comment_says() -> None:
    assert sshkeys.barrier(f'{PUBLIC_KEY} from="home"') == sshkeys.barrier("no key") == ""


@hypothesis_settings(deadline=None)  # other tests run beside it
@given(st.binary(max_size=80))
def test_bytes_that_are_no_key_are_never_taken_for_one(blob: bytes) -> None:
    try:
        sshkeys.line(f"{KIND} {base64.b64encode(blob).decode()}")
    except ValueError:
        return
    assert blob.startswith(struct.pack(">I", len(KIND)) + KIND.encode())
