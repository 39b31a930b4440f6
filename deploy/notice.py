"""The administrator's notices: the setting `services.proxy.notice`, and what `workbench notice` says beside it.

The program `notice` (workbench_host/notice.py) has pages and terminals show both. Its unit runs at boot and whenever
the setting is another one; what `workbench notice` says is none of the deploy's, and stays.
"""

from pyinfra.api.deploy import deploy

from deploy import files, programs, units
from deploy.service import Service
from workbench.host import program_path
from workbench.stack import Context

PROGRAM = "notice"
CONFIG = f"{programs.CONFIG}/notice"
UNIT = "workbench-notice.service"
NEW_TERMINALS = "/etc/profile.d/workbench-notice.sh"


@deploy("notice")
def notice(context: Context) -> None:
    """What the setting says, and what has it seen."""
    text = context.settings.services.proxy.notice
    files.put(content=files.Content(text.encode()), dest=CONFIG, name=CONFIG)
    files.template(f"notice/{UNIT}.j2", f"{units.UNITS}/{UNIT}", variables={"program": program_path(PROGRAM)})
    files.copy("notice/workbench-notice.sh", NEW_TERMINALS, validate="sh -n {}")
    units.service(unit=UNIT, reads=[CONFIG, *programs.reads(PROGRAM)], name="Show the notice")


SERVICE = Service(notice)
