"""workbench-data [credentials | env]: what data in S3 the caller may read and write, and credentials for it.

Most programs need none of it: they find their credentials by themselves. `credentials` prints them as AWS SDKs take
them from a credential_process, `env` as a shell takes them, for programs that know nothing else.
"""

import http.client
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from workbench_host.data import ADDRESS, AUTHORIZATION, PORT

SECONDS = 15
USAGE = "workbench-data lists your data in S3; `workbench-data credentials` and `workbench-data env` print credentials."
NAMES = {
    "AccessKeyId": "AWS_ACCESS_KEY_ID",
    "SecretAccessKey": "AWS_SECRET_ACCESS_KEY",
    "Token": "AWS_SESSION_TOKEN",
}


class AnswerError(Exception):
    """No answer, or a refusal; the sentence says why."""


def ask(path: str) -> dict[str, Any]:
    """What the service answers to this user. Raises AnswerError."""
    connection = http.client.HTTPConnection(ADDRESS, PORT, timeout=SECONDS)
    try:
        connection.request("GET", path, headers={"Authorization": AUTHORIZATION})
        answer = connection.getresponse()
        told: dict[str, Any] = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError):
        raise AnswerError(
            "No data is set up on this workbench, or its service does not answer; ask an administrator "
            "(services.data)."
        ) from None
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise AnswerError(told["message"])
    return told


def listed(places: Sequence[Mapping[str, Any]]) -> str:
    """A line for each place: its address, what may be done, and where it is."""
    rows = [
        (f"s3://{one['bucket']}/{one['prefix']}", "read, write" if one["write"] else "read", one["region"])
        for one in places
    ]
    wide = max(len(address) for address, *_ in rows)
    return "".join(f"{address:<{wide}}  {may:<11}  {region}\n" for address, may, region in rows)


def exports(told: Mapping[str, str]) -> str:
    """Lines for a shell's `eval`; what AWS hands out has no character that a shell would take for more."""
    lines = [f"export {variable}='{told[name]}'\n" for name, variable in NAMES.items()]
    return "".join([*lines, f"# until {told['Expiration']}\n"])


def process(told: Mapping[str, str]) -> str:
    """As a credential_process prints it. Source: AWS SDKs and Tools Reference Guide, "Process credential provider"."""
    keys = {name: told[name] for name in ("AccessKeyId", "SecretAccessKey", "Expiration")}
    return json.dumps({"Version": 1, **keys, "SessionToken": told["Token"]}) + "\n"


def main(arguments: Sequence[str]) -> int:
    try:
        match list(arguments):
            case []:
                print(listed(ask("/places")["places"]), end="")
            case ["credentials"]:
                print(process(ask("/")), end="")
            case ["env"]:
                print(exports(ask("/")), end="")
            case ["-h" | "--help"]:
                print(USAGE)
            case _:
                print(USAGE, file=sys.stderr)
                return 2
    except AnswerError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
