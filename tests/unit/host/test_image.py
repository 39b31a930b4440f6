"""What an image must not have: each kind is planted below a folder that stands for a root, found, and taken away."""

import os
import time
from pathlib import Path

import pytest

from workbench_host.image import leftovers, program

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBFNhyUtPSImEKLShYkgFxvQcZ16K5mnOlE6hLT2nQeK ada@laptop"
HASH = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7"
PRIVATE = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU\n-----END OPENSSH PRIVATE KEY-----\n"

# What is planted: its kind, where, and what is in it.
PLANTED = [
    ("machine-id", "etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
    ("machine-id", "var/lib/dbus/machine-id", "0123456789abcdef0123456789abcdef\n"),
    ("host keys", "etc/ssh/ssh_host_ed25519_key", PRIVATE),
    ("host keys", "etc/ssh/ssh_host_rsa_key.pub", KEY),
    ("keys of people", "var/lib/admin/.ssh/authorized_keys", KEY),
    ("keys of people", "root/.ssh/authorized_keys", KEY),
    ("keys of people", "etc/ssh/authorized_keys.d/ada", KEY),
    ("cloud-init's notes of this server", "var/lib/cloud/instances/i-1/user-data.txt", KEY),
    ("cloud-init's notes of this server", "etc/cloud/cloud.cfg.d/90-workbench.cfg", "ssh_deletekeys: false"),
    ("declared users", "etc/workbench/users.json", '{"users": [{"name": "ada"}]}'),
    ("declared users", "etc/workbench/schedule-mail.json", '{"ada": "ada@example.org"}'),
    ("declared users", "var/lib/workbench/lingering", "ada\n"),
    ("accounts from before", "etc/shadow-", f"ada:{HASH}:1::::::\n"),
    ("certificates", "etc/workbench/ca.crt", "-----BEGIN CERTIFICATE-----\n"),
    ("certificates", "var/lib/workbench-certificate/key.pem", PRIVATE),
    ("secrets of services", "etc/workbench/alarms/password", "hush"),
    ("secrets of services", "var/lib/rstudio-server/secure-cookie-key", "3f0e-1"),
    ("notes of services", "var/lib/workbench-fail2ban/bans.sqlite3", "198.51.100.7"),
    ("seed of randomness", "var/lib/systemd/random-seed", "x" * 512),
    ("logs", "var/log/auth.log", "ada logged in"),
    ("logs", "var/log/journal/0123/system.journal", "LPKSHHRH"),
    ("logins", "var/lib/lastlog/lastlog2.db", "ada"),
    ("histories and caches", "var/lib/admin/.bash_history", "mysql -phush"),
    ("histories and caches", "root/.cache/uv/x", "x"),
    ("apt's lists and packages", "var/lib/apt/lists/deb.debian.org_InRelease", "x"),
    ("apt's lists and packages", "var/cache/apt/archives/r-base_1.deb", "x"),
    ("temporary files", "tmp/left", "x"),
    ("temporary files", "var/lib/workbench/tmp/.hidden", "x"),
    ("times of timers", "var/lib/systemd/timers/stamp-apt-daily.timer", ""),
    ("swap", "swapfile", "hush"),
    ("secrets of services", "var/lib/rstudio-server/session-rpc-key", "9f"),
    ("what belongs on the data volume", "home/ada/notes.txt", "x"),
    ("what belongs on the data volume", "srv/workbench/uids.json", "x"),
]
# What nothing takes away by its place: it is found by its look, and no image is made.
LOOKS = [
    ("user", "etc/passwd", "ada:x:2000:2000::/home/ada:/bin/bash\n", "/etc/passwd (ada)"),
    ("password hash", "etc/shadow", f"root:!{HASH}:1::::::\n", "/etc/shadow (root)"),
    ("private key", "etc/nginx/site.key", PRIVATE, "/etc/nginx/site.key"),
    ("key of somebody", "etc/motd", KEY, "/etc/motd"),
    ("password hash", "etc/thing.conf", f"password={HASH}", "/etc/thing.conf"),
    ("token", "etc/thing.conf", "https://hooks.slack.com/services/T0/B0/x", "/etc/thing.conf"),
    ("token", "root/notes", "key AKIAIOSFODNN7EXAMPLE", "/root/notes"),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host as an image is to have it."""
    plant(tmp_path, "etc/machine-id", "")
    plant(
        tmp_path, "etc/passwd", "root:x:0:0::/root:/bin/bash\nadmin:x:1000:1000::/var/lib/admin:/bin/bash\n"
    )
    plant(tmp_path, "etc/shadow", "root:*:1::::::\nadmin:!:1::::::\nnobody:!*:1::::::\n")
    plant(tmp_path, "etc/ssh/sshd_config", "PasswordAuthentication no\n")
    plant(tmp_path, "etc/ssh/ssh_known_hosts2", f"forge.example {KEY}")
    plant(tmp_path, "etc/workbench/locks/uv/requirements.txt", "uv==1 --hash=sha256:0\n")
    (tmp_path / "var/log/journal").mkdir(parents=True)
    (tmp_path / "tmp").mkdir()
    return tmp_path


def plant(root: Path, name: str, content: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_a_host_as_it_is_to_be_has_nothing(root: Path) -> None:
    assert leftovers.found(str(root)) == []


@pytest.mark.parametrize(("kind", "name", "content"), PLANTED)
def test_each_leftover_is_found_and_goes(root: Path, kind: str, name: str, content: str) -> None:
    path = plant(root, name, content)
    found = leftovers.found(str(root))
    assert [one.kind for one in found if f"/{name}".startswith(one.path)] == [kind]
    leftovers.remove(str(root))
    assert leftovers.found(str(root)) == []
    assert not path.exists() or path.read_text() == ""


@pytest.mark.parametrize(("kind", "name", "content", "at"), LOOKS)
def test_what_nobody_thought_of_is_found_by_its_look_and_stays(
    root: Path, kind: str, name: str, content: str, at: str
) -> None:
    path = root / name
    plant(root, name, (path.read_text() if path.exists() else "") + content)
    leftovers.remove(str(root))
    assert [(one.kind, one.path) for one in leftovers.found(str(root))] == [(kind, at)]


JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.x"


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        *(("token", f"{before}{JWT}") for before in ("", "token=", "-", "eyJ-", "a-eyJ-b-", "Bearer ")),
        ("token", f"{'-eyJ' * 5000}{JWT}"),
        (
            "key of somebody",
            "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIBFNhyUtPSI",
        ),
        ("password in an address", "a://b@c"),
        ("password in an address", "git+https://ada:hu@sh@[2001:db8::1]/x"),
    ],
)
def test_a_secret_is_found_whatever_stands_before_it(root: Path, kind: str, content: str) -> None:
    plant(root, "etc/thing.conf", content)
    assert [one.kind for one in leftovers.found(str(root))] == [kind]


@pytest.mark.parametrize(
    "content", [f"_{JWT}", f"x{JWT}", "eyJhbGciO.eyJzdWIiOiIxMjM0In0", "://ada:hush@c", "https://c/ada@b"]
)
def test_what_only_looks_a_little_like_a_secret_is_none(root: Path, content: str) -> None:
    plant(root, "etc/thing.conf", content)
    assert leftovers.found(str(root)) == []


@pytest.mark.parametrize(
    "what", ["a", "-eyJ", "eyJ", "sk-", "a://", "a://@", "eyJaaaaaaaaaa..", "-eyJaaaaaaaaaa", "-----BEGIN A "]
)
def test_as_much_as_is_looked_at_takes_no_time_whatever_it_is(root: Path, what: str) -> None:
    plant(root, "etc/thing.conf", (what * leftovers._LARGEST)[: leftovers._LARGEST])
    began = time.monotonic()
    assert leftovers.found(str(root)) == []
    assert time.monotonic() - began < 5, "minutes, where the time grows with the square"


def test_no_content_is_shown(root: Path) -> None:
    plant(root, "etc/thing.conf", f"password={HASH}")
    assert HASH not in "".join(map(str, leftovers.found(str(root))))


@pytest.mark.parametrize("secret", ["ada:hush", "token", "ada:hu@sh", ":hush"])
@pytest.mark.parametrize(
    "name", ["etc/pip.conf", "opt/workbench/jupyterhub-0/share/npm/node_modules/.package-lock.json"]
)
def test_a_mirrors_password_goes_and_its_address_stays(root: Path, name: str, secret: str) -> None:
    rest = "retries = 3\n" * 100_000  # more than is looked at
    path = plant(root, name, f"index-url = https://{secret}@pypi.example/simple\n{rest}")
    path.chmod(0o640)
    assert [one.kind for one in leftovers.found(str(root))] == ["password in an address"]
    leftovers.remove(str(root))
    assert path.read_text() == f"index-url = https://pypi.example/simple\n{rest}"
    assert path.stat().st_mode & 0o777 == 0o640
    assert leftovers.found(str(root)) == []


def test_folders_of_logs_stay_since_their_owners_are_not_given_again(root: Path) -> None:
    plant(root, "var/log/rstudio/rstudio-server/server.log", "x")
    leftovers.remove(str(root))
    assert (root / "var/log/rstudio/rstudio-server").is_dir()
    assert (root / "var/log/journal").is_dir()


def test_links_are_removed_and_never_followed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "kept").write_text("x")
    (root / "tmp" / "link").symlink_to(elsewhere)
    leftovers.remove(str(root))
    assert not os.path.lexists(root / "tmp" / "link")
    assert (elsewhere / "kept").read_text() == "x"


def test_cleaning_twice_is_as_cleaning_once(root: Path) -> None:
    for _, name, content in PLANTED:
        plant(root, name, content)
    leftovers.remove(str(root))
    leftovers.remove(str(root))
    assert leftovers.found(str(root)) == []


@pytest.mark.parametrize("arguments", [[], ["polish"], ["clean", "search"]])
def test_what_the_program_does_not_know_it_says(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main(arguments) == 2
    assert "takes update, clean or search" in capsys.readouterr().err
