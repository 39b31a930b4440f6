"""Getting in: sshd's settings, who would be locked out, and when host keys are learnt and settled."""

import json
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from pyinfra.api.exceptions import DeployError

from deploy import files, knownhosts, python, ssh, units
from deploy.files import FileState, State
from deploy.programs import Reply, Says
from tests.conftest import PUBLIC_KEY
from tests.needs import SSHD, needs_sshd
from tests.unit.sshd import as_known, prepare
from workbench.settings.services import Base


def test_a_deploy_does_not_lock_itself_out(tmp_path: Path) -> None:
    private = tmp_path / "id_ed25519"
    private.with_suffix(".pub").write_text(f"{PUBLIC_KEY} comment of its own\n")
    ssh.refuse_lockout([PUBLIC_KEY], ssh.declared_key(private))
    ssh.refuse_lockout([f"restrict,no-pty {PUBLIC_KEY}"], ssh.declared_key(private))
    ssh.refuse_lockout(["ssh-ed25519 other"], ssh.declared_key(None))
    ssh.refuse_lockout(["ssh-ed25519 other"], ssh.declared_key(tmp_path / "without a public one"))
    kind, blob, *_ = PUBLIC_KEY.split()
    with pytest.raises(DeployError, match=f"adminSshKeys lacks .*{kind} {re.escape(blob)};"):
        ssh.refuse_lockout(["ssh-ed25519 other"], ssh.declared_key(private))
    with pytest.raises(DeployError, match="adminSshKeys is empty"):
        ssh.refuse_lockout([], "")


@pytest.mark.parametrize(
    "option",
    ['command="true"', 'from="10.0.0.0/8"', 'expiry-time="20200101"', "cert-authority", "verify-required"],
)
def test_a_deploy_does_not_put_a_barrier_before_its_own_key(option: str) -> None:
    other = f"{option} ssh-ed25519 other"
    ssh.refuse_lockout([PUBLIC_KEY, other], PUBLIC_KEY)
    with pytest.raises(DeployError, match=f"but with the option {re.escape(option)}, which can lock it out"):
        ssh.refuse_lockout([f"restrict,{option} {PUBLIC_KEY}"], PUBLIC_KEY)
    ssh.refuse_lockout([f"{option} {PUBLIC_KEY}"], "")


@needs_sshd
@pytest.mark.parametrize("path", [python.PATH, None])
def test_commands_without_a_shell_that_reads_a_profile_have_the_path_of_terminals(
    tmp_path: Path, path: str | None
) -> None:
    said = understood(tmp_path, path)
    given = [line.removeprefix("setenv ") for line in said if line.startswith("setenv")]
    assert [one for one in given if one.startswith("PATH")] == ([f"PATH={path}"] if path else [])
    # Whatever a client sends, by Debian's AcceptEnv LANG LC_*, counts as not sent.
    language = {f"LC_{name}=" for name in ssh.CATEGORIES} | {"LANG=es_ES.UTF-8"}
    assert {one for one in given if not one.startswith("PATH")} == language


def test_all_categories_of_a_locale_are_known() -> None:
    glibc = subprocess.run(["locale"], capture_output=True, text=True, check=True).stdout
    assert {f"LC_{name}" for name in ssh.CATEGORIES} == set(re.findall(r"^(LC_\w+)=", glibc, re.MULTILINE))


LANGUAGE = {"locale": "es_ES.UTF-8", "categories": ssh.CATEGORIES}


def understood(folder: Path, path: str | None) -> list[str]:
    """Our configuration as sshd itself understands it."""
    config, key = folder / "sshd.conf", folder / "key"
    text = files.render("ssh/sshd.conf.j2", path=path, host_keys=[key], groups=ssh.GROUPS, **LANGUAGE)
    config.write_text(as_known(text))
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    prepare()
    command = [str(SSHD), "-T", "-f", str(config)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


@needs_sshd
def test_sshd_takes_modern_algorithms_and_lets_in_who_is_declared_and_never_root(tmp_path: Path) -> None:
    said = understood(tmp_path, None)
    algorithms = " ".join(
        line for line in said if line.split()[0] in ("kexalgorithms", "hostkeyalgorithms", "ciphers", "macs")
    )
    assert "curve25519-sha256" in algorithms
    assert "sntrup761x25519-sha512" in algorithms
    assert [word for word in ("nistp", "sha1", "cbc", "group", "dss", "md5") if word in algorithms] == []
    assert [line for line in said if line.startswith("allowgroups")] == [
        "allowgroups admin",
        "allowgroups workbench-users",
    ]
    wanted = {
        "permitrootlogin no",
        "maxauthtries 6",
        "gatewayports no",
        "permittunnel no",
        "x11forwarding no",
    }
    assert wanted <= set(said)


@pytest.mark.parametrize("told", ["publickey ssh-ed25519 AAAA\n", "", None])
def test_the_key_that_let_a_connection_in_is_what_sshd_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str | None
) -> None:
    monkeypatch.delenv("SSH_USER_AUTH", raising=False)
    if told is not None:
        (tmp_path / "auth").write_text(told)
        monkeypatch.setenv("SSH_USER_AUTH", str(tmp_path / "auth"))
    done = subprocess.run(
        ["sh", "-c", ssh.EnteredWith().command()], capture_output=True, text=True, check=True
    )
    assert ssh.EnteredWith().process(done.stdout.splitlines()) == ("ssh-ed25519 AAAA" if told else "")


@pytest.mark.parametrize(
    ("exchange", "known", "expected"),
    [
        (True, "old", "old, new"),
        (False, "old, new", "new"),
        (False, "new", None),
    ],
)
def test_keys_are_known_before_they_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchange: bool, known: str, expected: str | None
) -> None:
    path = tmp_path / "known_hosts"
    knownhosts.write(path, [f"h ssh-ed25519 {key}" for key in known.split(", ")])
    present = "old" if exchange else "new"

    class Host:
        def get_fact(self, fact: type, line: str) -> Reply:
            assert (fact, line) == (Says, "hostkeys --list")
            said = {
                "present": [f"ssh-ed25519 {present}"],
                "coming": ["ssh-ed25519 new"],
                "right": not exchange,
            }
            return Reply(0, (json.dumps(said),))

        def noop(self, text: str) -> None:
            pass

    monkeypatch.setattr(ssh, "host", Host())
    for command in ssh.know._inner(path=path, address="h", exchange=exchange):
        command.function(*command.args)
        assert expected is not None
    wanted = (expected or known).split(", ")
    assert knownhosts.read(path) == [f"h ssh-ed25519 {key}" for key in wanted]


@pytest.mark.parametrize(
    ("reply", "commands"),
    [
        (Reply(0, ('{"present": [], "coming": [], "right": true}',)), 0),
        (Reply(0, ('{"present": [], "coming": [], "right": false}',)), 1),
        (Reply(127, ()), 1),
        (Reply(1, ("half a rep",)), 1),
    ],
    ids=["right", "not right", "no program", "one that failed"],
)
def test_the_host_keys_are_settled_where_they_are_not_known_to_be_right(
    reply: Reply, commands: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = SimpleNamespace(get_fact=lambda *_, **__: reply, noop=lambda _: None)
    monkeypatch.setattr(ssh, "host", host)
    assert len(list(ssh.show_kept._inner())) == commands


@pytest.mark.parametrize("there", [None, "another content", "the same"])
def test_who_is_let_in_is_asked_where_that_would_change(
    there: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = files.Content(f"{PUBLIC_KEY}\n".encode())
    digest = wanted.sha256 if there == "the same" else "0" * 64
    state = None if there is None else State("regular file", "600", "admin", "admin", digest)
    answers = {FileState: state, ssh.EnteredWith: "ssh-ed25519 another"}
    monkeypatch.setattr(ssh, "host", SimpleNamespace(get_fact=lambda fact, **_: answers[fact]))
    if there == "the same":
        ssh.guard([PUBLIC_KEY], wanted)
        return
    with pytest.raises(DeployError, match="would lock it out"):
        ssh.guard([PUBLIC_KEY], wanted)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (
            "UnitFileState=generated\nActiveState=active",
            ["systemctl daemon-reload", "systemctl stop sshd-unix-local.socket"],
        ),
        ("UnitFileState=generated\nActiveState=inactive", ["systemctl daemon-reload"]),
        ("UnitFileState=\nActiveState=active", ["systemctl stop sshd-unix-local.socket"]),
        ("UnitFileState=\nActiveState=inactive", []),
    ],
    ids=["of a boot before", "not opened", "a run died before it was shut", "there is none"],
)
def test_sshd_has_no_way_in_that_no_firewall_sees(
    state: str, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def get_fact(_: type, unit: str, paths: object) -> units.UnitState:
        is_local = unit == "sshd-unix-local.socket"
        shown = state if is_local else "UnitFileState=\nActiveState=inactive"
        return units.Unit().process([*shown.split("\n"), "Recorded="])

    monkeypatch.setattr(ssh, "host", SimpleNamespace(get_fact=get_fact))
    assert [str(command) for command in ssh.shut._inner()] == said


def test_the_generator_of_further_ways_in_is_turned_off_before_they_are_shut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[object] = []
    for module, name in (
        (ssh.files, "template"),
        (ssh.units, "service"),
        (ssh, "guard"),
        (ssh, "administrator"),
    ):
        monkeypatch.setattr(module, name, lambda *_, **__: None)
    for name in ("know", "show_kept"):
        monkeypatch.setattr(ssh, name, lambda **_: None)
    monkeypatch.setattr(ssh.stack, "known_hosts", lambda _: Path("known_hosts"))
    monkeypatch.setattr(ssh.pyinfra_files, "link", lambda path, target, name: done.append((path, target)))
    monkeypatch.setattr(ssh, "shut", lambda name: done.append("shut"))
    python_off = SimpleNamespace(enabled=False)
    settings = SimpleNamespace(admin_ssh_keys=[], services=SimpleNamespace(python=python_off, base=Base()))
    ssh.ssh._inner(SimpleNamespace(settings=settings, outputs=SimpleNamespace(address="192.0.2.1")))
    assert done == [("/etc/systemd/system-generators/systemd-ssh-generator", "/dev/null"), "shut"]
