"""AWS credentials that have expired, before a command or in the middle of it: what is to be done then.

AWS says so in words of its own for each kind of service, and boto3, its sign-in and Pulumi's provider pass them on: so
they are looked for in what a command was about to say. Sources: AWS, "Error codes for the Amazon EC2 API" and "Common
error types" of IAM and STS; botocore/exceptions.py and botocore/tokens.py; pulumi/pulumi#19452 for a backend in S3.
"""

import re

_SAID = re.compile(
    r"\b(RequestExpired|ExpiredToken(Exception)?)\b|Request has expired|token included in the request is expired"
    r"|provided token has expired|Token has expired and refresh failed|SSO session .*has expired"
    r"|refresh cached SSO token failed"
)


def hint(said: str) -> str:
    """What to add to an error; "" where it is not that credentials have expired."""
    if not _SAID.search(said):
        return ""
    return (
        "\nYour AWS credentials have expired: renew them (`aws sso login`, or as you got them), then run the same "
        "command again, which goes on from there."
    )
