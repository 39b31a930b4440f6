"""The workbench's own CA: for whom it may vouch, and when another one is made."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.needs import needs
from workbench_host import authority
from workbench_host.tools import WOULD_CHANGE

BARE = {"domain": "192.0.2.7", "address": "192.0.2.7"}
NAMED = {"domain": "bench.example.org", "address": "192.0.2.7"}
pytestmark = needs("openssl")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Caddy keeps its CA, with a certificate that the last one gave."""
    monkeypatch.setattr(authority, "STATE", tmp_path)
    monkeypatch.setattr(authority, "PUBLISHED", tmp_path / "ca.crt")
    (tmp_path / authority.GIVEN / "192.0.2.7").mkdir(parents=True)
    return tmp_path / authority.AUTHORITY


def verified(place: Path, subject: str) -> bool:
    """Whether a web server's certificate for the subject (DNS:... or IP:...) is taken, signed by this CA."""
    folder = place.parent
    leaf = ("-keyout", str(folder / "leaf.key"), "-out", str(folder / "leaf.crt"), "-days", "7", "-noenc")
    signer = ("-CA", str(place / "root.crt"), "-CAkey", str(place / "root.key"))
    extension = (
        "-subj",
        "/",
        "-addext",
        f"subjectAltName=critical,{subject}",
        "-addext",
        "basicConstraints=CA:FALSE",
    )
    subprocess.run(
        ["openssl", "req", "-x509", *authority.CURVE, *leaf, *signer, *extension],
        check=True,
        capture_output=True,
    )
    judge = ("openssl", "verify", "-purpose", "sslserver", "-CAfile", str(place / "root.crt"))
    return (
        subprocess.run([*judge, str(folder / "leaf.crt")], check=False, capture_output=True).returncode == 0
    )


@pytest.mark.parametrize(
    ("config", "good", "bad"),
    [
        (BARE, ["IP:192.0.2.7"], ["IP:192.0.2.8", "IP:2001:db8::1", "DNS:bank.example", "DNS:192.0.2.7"]),
        (
            NAMED,
            ["IP:192.0.2.7", "DNS:bench.example.org"],
            ["DNS:example.org", "DNS:bank.example", "IP:192.0.2.8"],
        ),
    ],
)
def test_it_vouches_for_the_workbenchs_name_and_address_and_for_nothing_else(
    place: Path, config: dict[str, str], good: list[str], bad: list[str]
) -> None:
    """A13."""
    assert authority.make(config) == 0
    assert [subject for subject in good if not verified(place, subject)] == []
    assert [subject for subject in bad if verified(place, subject)] == []


def test_it_stays_as_long_as_it_will_do(place: Path, tmp_path: Path) -> None:
    authority.make(NAMED)
    before = (place / "root.crt").read_bytes()
    (tmp_path / authority.GIVEN).mkdir(parents=True)
    for config in (NAMED, BARE):  # a domain given up asks for less
        authority.make(config)
        assert (place / "root.crt").read_bytes() == before
    assert (tmp_path / authority.GIVEN).exists()
    assert oct((place / "root.key").stat().st_mode & 0o777) == "0o600"


def test_another_name_is_another_ca_with_nothing_left_of_the_old(place: Path, tmp_path: Path) -> None:
    authority.make(BARE)
    before = (place / "root.key").read_bytes()
    (place / "intermediate.crt").write_text("of the old one")
    (tmp_path / authority.GIVEN).mkdir(parents=True)
    authority.make(NAMED)
    assert (place / "root.key").read_bytes() != before
    assert sorted(path.name for path in place.iterdir()) == ["root.crt", "root.key"]
    assert not (tmp_path / authority.GIVEN).exists()


@pytest.mark.parametrize("days", [30, 3650])
def test_one_that_ends_soon_or_may_vouch_for_anybody_will_not_do(
    place: Path, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """As Caddy makes its own: without constraints."""
    if days < authority.LEAST_DAYS:
        monkeypatch.setattr(authority, "DAYS", days)
        authority.make(BARE)
    else:
        place.mkdir(parents=True)
        files = ("-keyout", str(place / "root.key"), "-out", str(place / "root.crt"))
        made = [
            "openssl",
            "req",
            "-x509",
            *authority.CURVE,
            "-noenc",
            "-days",
            str(days),
            "-subj",
            "/CN=any",
            *files,
        ]
        subprocess.run(made, check=True, capture_output=True)
    assert not authority.will_do(place / "root.crt", BARE)


def test_the_deploy_says_that_the_new_one_has_to_be_imported(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = tmp_path / "certificate.json"
    monkeypatch.setattr(authority, "CONFIG", given)
    given.write_text(json.dumps(NAMED))
    assert authority.main(["renew", "--check"]) == 0  # before Caddy's first start
    authority.make(BARE)
    (tmp_path / "ca.crt").write_bytes((place / "root.crt").read_bytes())
    assert authority.main(["renew", "--check"]) == WOULD_CHANGE
    assert "who imported the one before has to import" in capsys.readouterr().out
    given.write_text(json.dumps(BARE))
    assert authority.main(["renew", "--check"]) == 0


@pytest.mark.parametrize(("days", "restarted"), [(30, False), (13, True)])
def test_one_that_nobody_renewed_is_replaced_by_itself_before_it_ends_and_no_earlier(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, restarted: bool
) -> None:
    asked: list[tuple[str, ...]] = []

    def outlive() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(authority.tools, "run", lambda *command: asked.append(command))
            assert authority.main(["outlive"]) == 0

    outlive()  # before Caddy's first start
    monkeypatch.setattr(authority, "DAYS", days)
    authority.make(BARE)
    (tmp_path / "ca.crt").write_bytes((place / "root.crt").read_bytes())
    outlive()
    assert asked == ([("systemctl", "restart", "caddy.service")] if restarted else [])
    assert not authority.will_do(place / "root.crt", BARE)  # so that Caddy's start makes another
