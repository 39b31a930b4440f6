"""The budget: AWS writes mails before and when a month costs more than it may. It stops nothing."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra import naming
from workbench.settings import Budget

_FORECAST_PERCENT, _SPENT_PERCENT = 80, 100


@dataclass(frozen=True)
class BudgetArgs:
    """Whose costs, how much, and who is told."""

    owner: naming.Owner
    budget: Budget


class CostBudget(pulumi.ComponentResource):
    """A budget over all that carries the stack's id; AWS counts by a tag only once it is a cost allocation tag."""

    def __init__(self, name: str, args: BudgetArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("workbench:infra:CostBudget", name, None, opts)
        told = args.budget.emails
        aws.budgets.Budget(
            "budget",
            name=naming.role_name(args.owner),
            budget_type="COST",
            limit_amount=str(args.budget.usd_per_month),
            limit_unit="USD",
            time_unit="MONTHLY",
            # `user:KEY$VALUE`. Source: AWS, Budgets API, CostFilters
            cost_filters=[{"name": "TagKeyValue", "values": [f"user:StackId${args.owner.id}"]}],
            notifications=[
                _notification("FORECASTED", _FORECAST_PERCENT, told),
                _notification("ACTUAL", _SPENT_PERCENT, told),
            ],
            tags=args.owner.tags("budget"),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def _notification(kind: str, percent: int, told: list[str]) -> aws.budgets.BudgetNotificationArgsDict:
    return {
        "notification_type": kind,
        "comparison_operator": "GREATER_THAN",
        "threshold": percent,
        "threshold_type": "PERCENTAGE",
        "subscriber_email_addresses": told,
    }
