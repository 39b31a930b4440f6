"""Whom we are to AWS, where not the engine asks: whom the stack's provider is, by the same keys of its config.

The provider reads `aws:accessKey` and its like, `aws:profile`, `aws:sharedCredentialsFiles`, `aws:sharedConfigFiles`,
`aws:assumeRoles` (one role after the other) and `aws:assumeRoleWithWebIdentity`; where they say nothing it looks where
boto3 does. Source: https://www.pulumi.com/registry/packages/aws/installation-configuration/
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.stack import ROOT, AwsConfig

_ROLE = {  # the provider's names, and those of STS
    "externalId": "ExternalId",
    "policy": "Policy",
    "sessionName": "RoleSessionName",
    "sourceIdentity": "SourceIdentity",
    "transitiveTagKeys": "TransitiveTagKeys",
}
_UNITS = {"h": 3600, "m": 60, "s": 1}


def session(access: AwsConfig, region: str | None) -> Any:
    """A boto3 session that is to AWS whom the provider is; roles are assumed when something is first asked."""
    import boto3  # half a second, which the commands that ask AWS nothing are spared
    import botocore.session

    core = botocore.session.Session(profile=access.profile)
    for name, files in (
        ("credentials_file", access.credentials_files),
        ("config_file", access.config_files),
    ):
        if files:
            core.set_config_variable(name, _holding(name, files, access.profile))
    if region or access.region:
        core.set_config_variable("region", region or access.region)
    if access.keys:
        core.set_credentials(*access.keys)
    if access.web_identity:
        _take_web_identity(core, access.web_identity)
    for role in access.roles:
        _assume(core, role)
    return boto3.Session(botocore_session=core)


def _holding(variable: str, files: Sequence[str], profile: str | None) -> str:
    """Of several files the last that has the profile; boto3 reads one of each kind."""
    from botocore.configloader import raw_config_parse
    from botocore.exceptions import ConfigNotFound, ConfigParseError

    wanted = profile or "default"
    section = wanted if variable == "credentials_file" or wanted == "default" else f"profile {wanted}"
    paths = [str(ROOT / Path(file).expanduser()) for file in files]
    for path in reversed(paths):
        try:
            if section in raw_config_parse(path):
                return path
        except (ConfigNotFound, ConfigParseError):
            continue  # the provider goes on to the next just so
    return paths[-1]


def _assume(core: Any, role: Mapping[str, Any]) -> None:
    """From here on the session has this role, assumed by whoever it was before."""
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

    before = core.get_credentials()
    if before is None:
        raise WorkbenchError(
            "There are no AWS credentials to assume aws:assumeRoles with; "
            "`aws sts get-caller-identity` has to answer."
        )
    fetcher = AssumeRoleCredentialFetcher(
        core.create_client, before, _arn(role, "aws:assumeRoles"), extra_args=_arguments(role)
    )
    _have(core, DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role"))


def _take_web_identity(core: Any, role: Mapping[str, Any]) -> None:
    from botocore.credentials import (
        AssumeRoleWithWebIdentityCredentialFetcher,
        DeferredRefreshableCredentials,
    )
    from botocore.utils import FileWebIdentityTokenLoader

    token = role.get("webIdentityToken")
    loader = (lambda: token) if token else FileWebIdentityTokenLoader(role.get("webIdentityTokenFile", ""))
    arn = _arn(role, "aws:assumeRoleWithWebIdentity")
    fetcher = AssumeRoleWithWebIdentityCredentialFetcher(
        core.create_client, loader, arn, extra_args=_arguments(role)
    )
    _have(core, DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role-with-web-identity"))


def _have(core: Any, credentials: Any) -> None:
    """botocore takes only credentials that never change by its own method, and these are renewed each hour."""
    core._credentials = credentials


def _arn(role: Mapping[str, Any], key: str) -> str:
    arn = role.get("roleArn")
    if not isinstance(arn, str) or not arn:
        raise WorkbenchError(f"{key} in the stack's config has a role without a roleArn.")
    return arn


def _arguments(role: Mapping[str, Any]) -> dict[str, Any]:
    """The further arguments of STS for a role of the provider's config."""
    told: dict[str, Any] = {theirs: role[ours] for ours, theirs in _ROLE.items() if role.get(ours)}
    if duration := role.get("duration"):
        told["DurationSeconds"] = seconds(str(duration))
    if policies := role.get("policyArns"):
        told["PolicyArns"] = [{"arn": arn} for arn in policies]
    if tags := role.get("tags"):
        told["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
    return told


def seconds(duration: str) -> int:
    """Those of a duration as the provider takes it: 1h, 45m, 1h30m. Raises WorkbenchError where it is none."""
    parts = re.findall(r"(\d+)([hms])", duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        raise WorkbenchError(
            f"A duration in aws:assumeRoles is {duration!r}, which is none; takes such as 1h or 45m."
        )
    return sum(int(number) * _UNITS[unit] for number, unit in parts)
