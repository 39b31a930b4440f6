"""Who takes on a role in the lab, and what a session's policy may be; and that S3's buckets are kept."""

import json
from typing import Any

import pytest
from moto import mock_aws
from moto.backends import get_backend

from lab import calls, sessions
from lab.calls import Call
from lab.rules import Refusal
from lab.seed import ACCOUNT

SERVER, DATA = f"arn:aws:iam::{ACCOUNT}:role/server", f"arn:aws:iam::{ACCOUNT}:role/data"


def policy(**statement: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


@pytest.fixture
def backends() -> Any:
    """IAM with the two roles, and STS."""
    with mock_aws():
        iam, sts = (get_backend(name)[ACCOUNT]["aws"] for name in ("iam", "sts"))
        ec2 = policy(Action="sts:AssumeRole", Principal={"Service": "ec2.amazonaws.com"})
        trust = policy(Action="sts:AssumeRole", Principal={"AWS": SERVER})
        for name, document in (("server", ec2), ("data", trust), ("other", ec2)):
            iam.create_role(name, document, "/", "", "", [], 3600)
        iam.put_role_policy("server", "data", policy(Action="sts:AssumeRole", Resource=DATA))
        yield iam, sts


def key(sts: Any, role: str) -> str:
    """The id of keys of a session of that role."""
    found: str = sts.assume_role("eu-west-1", "i-1", role, "", 3600, "").access_key_id
    return found


def take_on(backends: Any, by: str, role: str = DATA, **parameters: str) -> None:
    iam, sts = backends
    told = {"RoleArn": role, **parameters}
    sessions.check(
        Call("sts", "eu-west-1", "AssumeRole", True, told, key=key(sts, by) if by else "AKIA"), iam, sts
    )


def test_whom_a_role_trusts_takes_it_on_and_nobody_else_does(backends: Any) -> None:
    take_on(backends, SERVER, Policy=policy(Action="s3:GetObject", Resource="*"))
    take_on(backends, "")  # whoever has keys of their own
    for by, role in ((DATA, DATA), (SERVER, f"{DATA}-2"), (SERVER, f"arn:aws:iam::{ACCOUNT}:role/other")):
        with pytest.raises(Refusal, match="is not authorized to perform: sts:AssumeRole"):
            take_on(backends, by, role)


def test_to_be_trusted_is_not_enough(backends: Any) -> None:
    backends[0].delete_role_policy("server", "data")
    with pytest.raises(Refusal, match="is not authorized"):
        take_on(backends, SERVER)


@pytest.mark.parametrize("parameters", [{"DurationSeconds": "3601"}, {"Policy": "x" * 2049}, {"Policy": "{"}])
def test_a_session_has_limits(backends: Any, parameters: dict[str, str]) -> None:
    with pytest.raises(Refusal):
        take_on(backends, SERVER, **parameters)


def test_anothers_bucket_is_known_by_who_is_expected_to_own_it(backends: Any) -> None:
    def head(owner: str) -> None:
        scope = "AWS4-HMAC-SHA256 Credential=AKIA/20261128/eu-west-1/s3/aws4_request"
        environ = {
            "REQUEST_METHOD": "HEAD", "PATH_INFO": "/acme", "HTTP_AUTHORIZATION": scope, "wsgi.input": _Empty(),
            "HTTP_X_AMZ_EXPECTED_BUCKET_OWNER": owner,
        }  # fmt: skip
        sessions.check(calls.read(environ), *backends)

    head(ACCOUNT)
    head("")
    with pytest.raises(Refusal, match="Access Denied"):
        head("210987654321")


class _Empty:
    def read(self, _: int) -> bytes:
        return b""
