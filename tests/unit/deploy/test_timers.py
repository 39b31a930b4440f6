"""Units of users' timers as systemd reads them, and who of the settings is mailed."""

import configparser
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deploy import files, timers
from tests.needs import needs
from workbench.config import parse
from workbench.host import program_path
from workbench_host import alarms, schedules
from workbench_host.schedules.mailer import ADDRESSES


def service() -> str:
    return files.render(
        "timers/workbench-schedule@.service.j2",
        settings=schedules.SETTINGS,
        command=schedules.COMMAND,
        longest=schedules.LONGEST,
    )


def mail_service() -> str:
    return files.render(
        f"timers/{timers.MAIL_UNIT}.j2",
        program=program_path("schedule-mail"),
        credential=alarms.CREDENTIAL,
        secrets=alarms.SECRETS,
        addresses_credential=ADDRESSES,
        addresses=schedules.ADDRESSES,
        folder=schedules.MAIL_FOLDER,
    )


@needs("systemd-analyze")
def test_systemd_understands_every_line_and_the_mailer_is_confined(tmp_path: Path) -> None:
    mailer, run = tmp_path / timers.MAIL_UNIT, tmp_path / "workbench-schedule@report.service"
    mailer.write_text(mail_service())
    run.write_text(service())
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(mailer), str(run)],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in done.stderr.splitlines() if "schedule" in line]
    assert [line for line in lines if "is not executable" not in line] == []
    judged = ["systemd-analyze", "security", "--offline=true", str(mailer)]
    told = subprocess.run(judged, capture_output=True, text=True, check=False).stdout
    level = re.search(r"exposure level for \S+: ([\d.]+)", told)
    assert level, told
    assert float(level[1]) <= 1.5


def test_the_administrator_gets_in_without_the_volume_and_nobody_else_begins_without_it() -> None:
    for name, condition in (("user.conf", "/home"), ("user-1000.conf", "")):
        unit = configparser.ConfigParser(interpolation=None)
        unit.read_string((files.TEMPLATES / "timers" / name).read_text())
        assert unit["Unit"]["ConditionPathIsMountPoint"] == condition


def test_a_run_goes_by_the_setting_and_ends_some_time() -> None:
    text = service()
    assert f"ConditionPathExists={schedules.SETTINGS}\n" in text
    assert f"ExecStart={schedules.COMMAND} --run %i\n" in text
    assert "TimeoutStartSec=2d\n" in text


@pytest.mark.parametrize("removed", [False, True])
def test_addresses_are_those_of_open_accounts(config: dict[str, Any], removed: bool) -> None:
    ada = {"name": "ada", "email": "ada@example.org", "removed": removed}
    settings = parse({**config, "workbench:users": [ada, {"name": "grace"}]})
    assert timers.addresses(settings) == ({} if removed else {"ada": "ada@example.org"})
