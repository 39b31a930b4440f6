"""`workbench cost`: what a stack costs a month by part, as AWS has it now, and what stopping it at night would save."""

import json
from dataclasses import asdict
from typing import Any

import typer
from rich.table import Table

from cli import common, holdings, statefile
from cli.common import JsonOption, StackOption, console
from workbench import instance_types, prices
from workbench.errors import WorkbenchError


def cost(stack: StackOption = None, as_json: JsonOption = False) -> None:
    """Show what this stack costs a month by part, as AWS has it now, and what stopping at night would save.

    Estimates for us-east-1, on demand, without traffic; other regions differ.
    """
    name = common.enter(stack)
    found = holdings.of(name, statefile.exported(name))
    if not found:
        raise WorkbenchError(f"Stack {name} has nothing in AWS that costs; `workbench up` makes a workbench.")
    size = holdings.type_of_server(found)
    saved = prices.saved_by_nights(size) if size else None
    if as_json:
        typer.echo(json.dumps(_report(name, found, saved), indent=2))
    else:
        _show(name, found, size, saved)


def _report(name: str, found: list[holdings.Holding], saved: float | None) -> dict[str, Any]:
    """{stack, prices, parts: [{name, detail, usd, id}], usd, unknown, saved_by_nights}; usd a month, null: unknown."""
    total = prices.total(holdings.parts(found))
    return {
        "stack": name,
        "prices": instance_types.table().prices,
        "parts": [{**asdict(one.part), "id": one.id} for one in found],
        "usd": round(total.usd, 2),
        "unknown": list(total.unknown),
        "saved_by_nights": None if saved is None else round(saved, 2),
    }


def _show(name: str, found: list[holdings.Holding], size: str | None, saved: float | None) -> None:
    table = Table("part", "", "USD a month, about", title=f"What stack {name} costs", title_justify="left")
    table.columns[2].justify = "right"
    for one in found:
        usd = "not known here" if one.part.usd is None else f"{one.part.usd:.2f}"
        table.add_row(one.part.name, one.part.detail, usd)
    total = prices.total(holdings.parts(found))
    table.add_section()
    table.add_row(
        "together", f"without {', '.join(total.unknown)}" if total.unknown else "", f"{total.usd:.2f}"
    )
    console.print(table)
    if size is not None:
        how = prices.said(saved) if saved is not None else "what is not known here, as its price is not"
        console.print(f"Stopped for {prices.NIGHTS}, a running {size} would save {how}.")
    made = instance_types.table().made
    console.print(f"Estimates of {made} for us-east-1, on demand, without traffic; other regions differ.")
