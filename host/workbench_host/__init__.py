"""What the workbench runs on its host: an ordinary package, of the standard library alone.

It runs on the host's Python, by the commands in `bin/` (deploy/programs.py makes one of each of PROGRAMS). Nearly all
know two ways to be called: with `--check` one changes nothing and exits with 0 (all is as it should be) or 3 (something
would change); without, it does what is to be done, and may be killed at any point: the next call goes on from there.
Each deploy asks them all: what only a run with work to do needs is imported there.
"""

PROGRAMS = {  # the command's name -> the module whose `main` it calls with its arguments
    "accounts": "accounts.program",
    "activity": "activity",
    "alarms": "alarms.program",
    "apps": "apps.dispatcher",
    "ask": "ask",
    "authority": "authority",
    "certificate": "certificate",
    "container-users": "container_users",
    "data": "data.server",
    "doctor": "checkup.program",
    "environment": "environments",
    "health": "health",
    "hostkeys": "hostkeys",
    "image": "image.program",
    "leftovers": "leftovers",
    "listed-apps": "apps.listed",
    "logins": "logins",
    "logs": "logs",
    "notice": "notice",
    "packages": "packages",
    "people": "accounts.people",
    "python-versions": "python_versions",
    "r-versions": "r_versions",
    "rsession": "rsession",
    "rstudio-ports": "rstudio_ports",
    "scheduled-stop": "scheduled_stop",
    "schedule-mail": "schedules.mailer",
    "session-scope": "session_scope",
    "sign-in": "sign_in",
    "snapshots": "alarms.snapshots",
    "team-environments": "team.program",
    "trust-folder": "trust_folder",
    "user-managers": "managers",
    "volume": "volume.program",
    "volume-copy": "volume.copies",
    "volume-presence": "volume.presence",
    "workbench-app": "webapps",
    "workbench-data": "data.command",
    "workbench-env": "team.command",
    "workbench-project": "projects.command",
    "workbench-schedule": "schedules.command",
}
