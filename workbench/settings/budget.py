"""The budget of a month, and who is told when it is about to be spent."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field

from workbench import checks
from workbench.faults import Fault
from workbench.settings.section import Section, twice

# Addresses of one notification. Source: AWS, "Managing your costs with AWS Budgets", quotas
_MOST = 10


class Budget(Section):
    """`budget`: AWS sends the mails, and stops nothing."""

    usd_per_month: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        description="of a budget: what the stack may cost a month, in USD"
    )
    emails: Annotated[list[Annotated[str, AfterValidator(checks.email)]], Field(min_length=1)] = Field(
        description="of a budget: who gets a mail when 80 % of it are going to be spent, and when 100 % are; at most 10"
    )

    def faults(self) -> Iterator[Fault]:
        """As many as AWS takes, each once."""
        yield from twice(("emails",), self.emails)
        if len(self.emails) > _MOST:
            yield Fault(
                ("emails",),
                f"holds {len(self.emails)} addresses; AWS takes at most {_MOST}, or that of a list",
            )
