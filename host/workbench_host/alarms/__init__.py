"""Alarms: what is wrong with the host is looked at every few minutes, and told when it begins and when it is over.

`looking` finds out, `memory` knows what was told to whom, `mail` and `webhook` tell, `snapshots` asks AWS when the
newest snapshot was made; `program` puts them together. Nothing here runs as root but `snapshots`, which has to ask the
metadata service.
"""

from workbench_host.tools import CONFIG as FOLDER

CONFIG = f"{FOLDER}/alarms.json"
SECRETS = f"{FOLDER}/alarms"  # root's alone: a file for each
CREDENTIAL = "alarms"  # by which name systemd hands them over: CREDENTIAL_FILE
MAIL, WEBHOOK = "mail", "webhook"
PASSWORD = "password"  # noqa: S105 - the name of a file
STATE_FOLDER = "workbench-alarms"
STATE = f"/var/lib/private/{STATE_FOLDER}/state.json"  # as everybody but the unit itself finds it
SNAPSHOT_FOLDER = "workbench-snapshots"
SNAPSHOT = f"/var/lib/{SNAPSHOT_FOLDER}/snapshot.json"
EVERY_SECONDS = 300
