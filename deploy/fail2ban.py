"""fail2ban: bans addresses from which logins fail, at the hub, at RStudio and by SSH, from all that listens.

Debian's package with a unit of ours, which is not root. It reads the journal by units and no file (templates/fail2ban);
what it does is a table of nftables of its own, `inet f2b-table`, which the firewall's reload leaves alone. A ban lasts
ten minutes at first and an hour at most.
"""

from pyinfra.api.deploy import deploy

from deploy import accounts, files, units
from deploy.service import Service
from workbench.host import SSH_PORT, program_path
from workbench.stack import Context
from workbench_host.logins import JAIL
from workbench_host.turns import FAILURES

PACKAGES = ("fail2ban",)
UNIT = "fail2ban.service"
ACCOUNT = "fail2ban"
FOLDER = "/etc/fail2ban"
OWN, FILTER, JAILS = f"{FOLDER}/fail2ban.local", f"{FOLDER}/filter.d/workbench.conf", f"{FOLDER}/jail.local"


@deploy("fail2ban")
def fail2ban(context: Context) -> None:
    """Its account, what it looks for, and its unit. The package has been installed, and is run anew as we want it."""
    services = context.settings.services
    accounts.service_account(account=ACCOUNT, name=f"User {ACCOUNT}")
    files.copy("fail2ban/fail2ban.local", OWN)
    files.copy("fail2ban/filter.conf", FILTER)
    files.template(
        "fail2ban/jail.local.j2",
        JAILS,
        variables={
            "jail": JAIL,
            "failures": FAILURES,
            "never": services.fail2ban.never_ban,
            "program": program_path("logins"),
            "ports": [SSH_PORT, services.proxy.http_port, services.proxy.https_port],
        },
    )
    files.template(f"fail2ban/{UNIT}.j2", f"{units.UNITS}/{UNIT}", variables={"account": ACCOUNT})
    units.service(unit=UNIT, reads=[OWN, FILTER, JAILS], name=f"Run {UNIT}")


SERVICE = Service(fail2ban, lambda _: PACKAGES)
