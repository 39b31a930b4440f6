"""What AWS refuses and moto does not, each with AWS's own error code and words.

Codes and messages: docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html and what the API itself
answers. A rule is asked before moto is; it sees the call, moto's EC2 backend and, through `mounted`, the machines.
"""

from lab.rules.common import Facts, Refusal, Rule
from lab.rules.compute import COMPUTE
from lab.rules.images import IMAGES
from lab.rules.network import NETWORK
from lab.rules.storage import STORAGE

RULES: dict[str, tuple[Rule, ...]] = {}
for _rules in (COMPUTE, NETWORK, STORAGE, IMAGES):
    for _action, _more in _rules.items():
        RULES[_action] = (*RULES.get(_action, ()), *_more)


def check(facts: Facts) -> None:
    """Raise Refusal if AWS would refuse the call."""
    if facts.call.service == "ec2":
        for rule in RULES.get(facts.call.action, ()):
            rule(facts)


__all__ = ["RULES", "Facts", "Refusal", "check"]
