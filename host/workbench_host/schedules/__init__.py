"""Schedules of users' own: what a user's systemd runs at set times, whether or not the user is logged in.

`command` is workbench-schedule, `times` judges when and `targets` what, `jobs` knows what is kept of each schedule and
where, `running` is what systemd calls for a run (the unit workbench-schedule@NAME of the user's own manager), and
`mailer` the service that mails what became of one to its user. All but the mailer run as the user.
"""

from workbench_host.tools import CONFIG

SETTINGS = f"{CONFIG}/timers.json"  # is there while limits.timers is true: {"mail": whether runs are mailed}
ADDRESSES = f"{CONFIG}/schedule-mail.json"  # root's alone: users' addresses by their names
MAIL_FOLDER = "workbench-schedule-mail"  # in /run; the socket in it is open to everybody on the host
MAIL_SOCKET = f"/run/{MAIL_FOLDER}/socket"
UNIT = "workbench-schedule@{}"  # .timer is the user's, .service the host's (templates/timers)
COMMAND = "/usr/local/bin/workbench-schedule"
LONGEST = "2d"  # that one run may take
