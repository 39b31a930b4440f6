"""What is left of the engine's, the AWS provider's and Python's own words once they are one sentence."""

from pathlib import Path

import pytest

from cli.engine import plain, reason
from cli.progress import Progress

REQUEST = "https response error StatusCode: 400, RequestID: df2cc86e-5dd3-46ca-88c3-2c3833852c44, "
SUBNET = (
    "Value (us-east-1a) for parameter availabilityZone is invalid. Subnets can only be created in us-west-2a."
)
DYNAMIC = """Traceback (most recent call last):
  File ".venv/lib/python3.11/site-packages/pulumi/dynamic/__main__.py", line 84, in wrapper
    return fn(self, request, context)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^
workbench.errors.WorkbenchError: The deploy failed at "Install R".
Its log is .workbench/prod/deploy.log.
"""
CHAINED = """python inline source runtime error: no such zone
Traceback (most recent call last):
  File "infra/program.py", line 9, in main
KeyError: 'zone'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "infra/program.py", line 11, in main
ValueError: no such zone
"""


# Texts of pulumi-aws 7 as public reports show them: the provider's log first, then the engine's error.
@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            f"  sdk-v2/provider2.go:572: sdk.helper_schema: creating EC2 Subnet: operation error EC2: CreateSubnet, "
            f"{REQUEST}api error InvalidParameterValue: {SUBNET}: provider=aws@7.5.0",
            f"creating EC2 Subnet: InvalidParameterValue: {SUBNET}",
        ),
        (
            "1 error occurred:\n\t* creating EC2 VPC: operation error EC2: CreateVpc, "
            f"{REQUEST}api error VpcLimitExceeded: The maximum number of VPCs has been reached.\n\n",
            "creating EC2 VPC: VpcLimitExceeded: The maximum number of VPCs has been reached.",
        ),
        (
            "deleting urn:pulumi:prod::workbench::aws:ec2/vpc:Vpc::network: 1 error occurred:\n"
            "\t* deleting EC2 VPC (vpc-1): operation error EC2: DeleteVpc, "
            f"{REQUEST}api error DependencyViolation: The vpc 'vpc-1' has dependencies and cannot be deleted.\n\n",
            "deleting EC2 VPC (vpc-1): DependencyViolation: The vpc 'vpc-1' has dependencies and cannot be deleted.",
        ),
        (
            "  sdk-v2/provider2.go:572: sdk.helper_schema: creating IAM Role (cross): operation error IAM: CreateRole, "
            f"{REQUEST}MalformedPolicyDocument: Invalid principal in policy: provider=aws@7.4.0",
            "creating IAM Role (cross): MalformedPolicyDocument: Invalid principal in policy",
        ),
        (
            "2 errors occurred:\n\t* the zone is full\n\t* the type is unknown\n\n",
            "the zone is full\nthe type is unknown",
        ),
        (DYNAMIC, 'The deploy failed at "Install R".\nIts log is .workbench/prod/deploy.log.'),
        (CHAINED, "ValueError: no such zone"),
        ("update failed", ""),
        ("resource urn:pulumi:prod::workbench::aws:ec2/vpc:Vpc::network update failed", ""),
    ],
)
def test_an_error_is_left_without_its_trimmings(said: str, sentence: str) -> None:
    assert plain(said) == sentence


def test_the_first_error_that_says_something_is_the_reason(tmp_path: Path) -> None:
    errors = [("", "update failed"), ("Vpc network", "error: the limit is reached"), ("", "another")]
    assert reason(errors, tmp_path / "none") == "Vpc network: the limit is reached"


def test_where_no_event_has_a_reason_the_engines_last_error_is_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("Updating (dev):\nerror: failed to load checkpoint: EOF\n")
    assert reason([], log) == "failed to load checkpoint: EOF"


def test_half_an_event_of_a_killed_engine_is_passed_over(tmp_path: Path) -> None:
    events = tmp_path / "events"
    events.write_bytes(b'{"summaryEvent": {"resourceChanges": {"create": 1}}}\n{"diagnosticEv')
    progress = Progress()
    progress.follow(events.open("rb"), lambda: False)
    assert progress.changes == {"create": 1}
