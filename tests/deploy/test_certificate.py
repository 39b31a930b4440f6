"""The certificate of a domain, from a real ACME CA (pebble): asked for, refused, renewed."""

import ssl
import time
from collections.abc import Iterator

import httpx
import pytest

from deploy import proxy
from tests import acme_in_lab
from tests.acme_in_lab import BLOCKED, DOMAIN, Ca
from tests.workbench_in_lab import Workbench

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def ca(workbench: Workbench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ca]:
    """The CA, and a host that knows its own two names; afterwards the workbench is without a domain again."""
    address = workbench.outputs.address
    workbench.ssh(f"cp /etc/hosts /etc/hosts.before && echo '{address} {DOMAIN} {BLOCKED}' >> /etc/hosts")
    try:
        with acme_in_lab.running(workbench, tmp_path_factory.mktemp("pebble"), acme_in_lab.SHORT) as ca:
            yield ca
    finally:
        workbench.ssh("cat /etc/hosts.before > /etc/hosts && rm /etc/hosts.before")
        applied = workbench.apply()
        assert applied.status == 0, applied.output


def own_ca(workbench: Workbench) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(workbench.ca))


def test_a_ca_that_refuses_is_said_so_and_the_workbench_serves_all_the_same(
    workbench: Workbench, ca: Ca
) -> None:
    applied = acme_in_lab.apply(workbench, BLOCKED, **ca.settings())
    assert applied.status != 0
    said = " ".join(applied.output.split())
    assert f"the CA of services.proxy.acmeServer ({ca.directory}) gave no certificate for {BLOCKED}: " in said
    assert "rejectedIdentifier" in said
    assert "the workbench shows a certificate of its own CA" in said
    assert acme_in_lab.shown(workbench.outputs.address, BLOCKED, own_ca(workbench))


def test_a_domain_gets_its_certificate_which_browsers_are_to_insist_on(workbench: Workbench, ca: Ca) -> None:
    applied = acme_in_lab.apply(workbench, DOMAIN, **ca.settings())
    assert applied.status == 0, applied.output
    address = workbench.outputs.address
    assert acme_in_lab.shown(address, DOMAIN, ca.trust())
    with httpx.Client(verify=ca.trust()) as client:
        page = client.get(
            f"https://{address}/", headers={"Host": DOMAIN}, extensions={"sni_hostname": DOMAIN}
        )
    assert page.status_code == 200
    assert page.headers["Strict-Transport-Security"] == "max-age=2592000"
    orders = ca.orders()
    again = acme_in_lab.apply(workbench, DOMAIN, **ca.settings())
    assert (again.status, again.changed) == (0, []), again.output
    assert ca.orders() == orders


def test_the_account_and_the_certificate_are_on_the_data_volume_and_secret(workbench: Workbench) -> None:
    find = f"find {proxy.STATE}/acme {proxy.STATE}/certificates -type f -printf '%m %u %f\\n'"
    kept = [line.split() for line in workbench.ssh(find).stdout.splitlines()]
    assert {f"{DOMAIN}.crt", f"{DOMAIN}.key", "ada.json", "ada.key"} <= {name for _, _, name in kept}
    assert {(mode, user) for mode, user, _ in kept} == {("600", "caddy")}


def test_caddy_renews_it_in_time_without_a_deploy(workbench: Workbench, ca: Ca) -> None:
    address = workbench.outputs.address
    before = acme_in_lab.shown(address, DOMAIN, ca.trust())
    # Usually that is when a third of the time is left; here as soon as 4 s of it are gone. Started anew because Caddy
    # looks every ten minutes, and when it starts.
    time.sleep(8)  # it may have been given out just now, and would not be due before the next look
    early = f"sed -i 's/^tls {{/&\\n\\trenewal_window_ratio 0.999/' {proxy.CERTIFICATE}"
    workbench.ssh(f"{early} && systemctl restart caddy")
    deadline = time.monotonic() + 90
    now = before
    while now.serial_number == before.serial_number:
        assert time.monotonic() < deadline, "Caddy has not renewed the certificate"
        time.sleep(1)
        now = acme_in_lab.shown(address, DOMAIN, ca.trust())
    assert now.not_valid_after_utc > before.not_valid_after_utc


def test_a_domain_that_leads_elsewhere_is_told_before_anybody_is_asked(workbench: Workbench, ca: Ca) -> None:
    orders = ca.orders()
    other = "elsewhere.example.org"
    program = "/usr/local/lib/workbench/host/bin/certificate"
    workbench.ssh(f"echo '192.0.2.1 {other}' >> /etc/hosts")
    workbench.ssh(f"sed -i 's/{DOMAIN}/{other}/' /etc/workbench/certificate.json")
    done = workbench.ssh(f"{program} obtain", check=False)
    assert done.returncode == 1
    assert (
        f"workbench:domain is {other}, which leads to 192.0.2.1, but this server's address is" in done.stderr
    )
    assert ca.orders() == orders
