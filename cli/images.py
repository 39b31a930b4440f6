"""`workbench images`, `delete-image`: what new servers start from, and what that costs."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.table import Table

from cli import common, repair, swapping
from cli.amis import Amis, usd_per_month
from cli.common import JsonOption, StackOption, WhoseOption, YesOption, console
from cli.disks import Disks
from workbench import packages, stackfile, team
from workbench import stack as stacks
from workbench.errors import WorkbenchError
from workbench.images import Image
from workbench.times import age


def images(stack: StackOption = None, as_json: JsonOption = False) -> None:
    """List this stack's images: age, size, what each costs, and which server runs from it."""
    name = common.enter(stack)
    settings = stacks.settings(name)
    amis = Amis(Disks.of(name, repair.export(name), guess=True))
    found, stored = amis.all(), amis.snapshots()
    servers, parts = (
        amis.servers(found),
        packages.parts(settings, team.locks(stackfile.path_of(name), settings)),
    )
    old = datetime.now(UTC) - timedelta(days=settings.images.days)
    listed: list[dict[str, Any]] = [
        {
            "name": image.name, "id": image.id, "state": image.state, "made": image.made.isoformat(),
            "architecture": image.architecture, "size_gib": image.root_gib, "snapshot": image.snapshot or None,
            "parts": len(parts), "parts_as_now": len(image.parts.items() & parts.items()),
            "too_old": image.made < old, "servers": servers.get(image.id, []),
            "usd_per_month_at_most": round(usd_per_month(stored.get(image.snapshot, 0.0)), 2),
        }
        for image in found
    ]  # fmt: skip
    if as_json:
        typer.echo(json.dumps({"stack": name, "images": listed}, indent=2))
    elif not found:
        console.print(f"Stack {name} has no images; `workbench bake` makes one.")
    else:
        console.print(_table(name, found, listed))
        for told in listed:
            for server in told["servers"]:
                console.print(f"The server {server} runs from {told['id']}.", markup=False)


def _table(name: str, found: Sequence[Image], listed: Sequence[dict[str, Any]]) -> Table:
    table = Table(title=f"Images of stack {name}", title_justify="left")
    for title in ("id", "age", "GiB", "packages as now", "state", "USD a month, at most"):
        table.add_column(title, no_wrap=title == "id")
    for image, told in zip(found, listed, strict=True):
        same = (
            "all" if told["parts_as_now"] == told["parts"] else f"{told['parts_as_now']} of {told['parts']}"
        )
        state = image.state if image.snapshot else f"{image.state}, without its snapshot"
        if told["too_old"]:
            state = f"{state}, too old"
        usd = f"{told['usd_per_month_at_most']:.2f}"
        table.add_row(image.id, age(image.made), str(image.root_gib), same, state, usd)
    return table


def delete_image(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="ids of images, or all")],
    stack: StackOption = None,
    yes: YesOption = False,
    adopt: WhoseOption = None,
) -> None:
    """Delete images of this stack, with their snapshots; servers that run from them go on."""
    name = common.enter(stack)
    common.adopt(adopt)
    with swapping.alone(name, "delete-image"):
        amis = Amis(Disks.of(name, repair.export(name)))
        found = {image.id: image for image in amis.all()}
        wanted = list(found) if ids == ["all"] else ids
        if strange := [one for one in wanted if one not in found]:
            raise WorkbenchError(
                f"{', '.join(strange)} is no image of stack {name}, which has {', '.join(found) or 'none'}; nothing "
                "was deleted."
            )
        if not wanted:
            console.print(f"Stack {name} has no images; nothing was deleted.")
            return
        if not yes:
            common.asking()
            for one in wanted:
                console.print(f"  {found[one]}, of {found[one].made:%Y-%m-%d}", markup=False)
            typer.confirm("Delete them, for good?", abort=True)
        for one in wanted:
            amis.remove(found[one])
            console.print(f"{found[one]} deleted", markup=False)
