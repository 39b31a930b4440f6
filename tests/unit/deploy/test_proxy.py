"""Caddy's configuration, rendered and given to Caddy."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from deploy import pages, proxy
from deploy.files import render
from workbench import config as configs
from workbench.settings import Settings, SignIn
from workbench.settings.section import Judge, Passage

CADDY = shutil.which("caddy", path=str(Path(sys.executable).parent)) or shutil.which("caddy")
needs_caddy = pytest.mark.skipif(CADDY is None, reason="there is no caddy")
HUB = proxy.Entry(
    "jupyterhub",
    "JupyterHub",
    "JupyterLab for all.",
    "/jupyter/",
    "unix//run/hub.sock",
    Passage("/run/caddy/hub.sock", "/run/its.sock", "/jupyter/hub/api"),
)
OTHER = proxy.Entry(
    "other",
    "R & <friends>",
    "It's another.",
    "/other/",
    "127.0.0.1:8787",
    strip_path=True,
    path_header="X-Path",
)
APPS = proxy.Entry(
    "apps", "Apps", "Of users' own.", "/apps/", "unix//run/apps/{re.user.1}/x.sock", pages="/pages"
)


def snippet(kind: str, tmp_path: Path, **variables: object) -> Path:
    """acme.caddy or own.caddy as the program `certificate` copies it for the Caddyfile to import."""
    path = tmp_path / "certificate.caddy"
    acme = {"server": "https://ca.example/directory", "email": "ada@example.org", "root": None}
    path.write_text(render(f"proxy/{kind}.caddy.j2", host_name="bench.example.org", **{**acme, **variables}))
    return path


def caddyfile(
    host_name: str = "192.0.2.7",
    services: list[proxy.Entry] | None = None,
    certificate: Path | str = "/dev/null",
) -> str:
    return render(
        "proxy/Caddyfile.j2",
        services=[HUB, OTHER, APPS] if services is None else services,
        host_name=host_name,
        notice="",
        site=proxy.SITE,
        admin=proxy.ADMIN,
        certificate=certificate,
        apps="/run/apps",
        listed_apps=PurePosixPath(pages.LISTED_APPS),
    )


def caddy(command: str, text: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "Caddyfile"
    path.write_text(text)
    own = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    return subprocess.run(
        [str(CADDY), command, "--adapter", "caddyfile", "--config", str(path)],
        capture_output=True,
        text=True,
        check=False,
        env=own,
    )


def test_the_entries_are_the_enabled_services_with_a_page(config: dict[str, Any]) -> None:
    def found(**services: object) -> list[str]:
        settings: Settings = configs.parse({**config, "workbench:services": services})
        return [entry.name for entry in proxy.entries(settings.services)]

    assert found() == ["jupyterhub", "rstudio", "shiny"]
    assert found(jupyterhub={"enabled": False}) == ["rstudio", "shiny"]
    [hub, _, shiny] = proxy.entries(configs.parse(config).services)
    assert (hub.title, hub.path) == ("JupyterHub", "/jupyter/")
    assert hub.upstream == "unix//run/jupyterhub-proxy/public.sock"
    assert (shiny.pages, shiny.upstream) == (
        "/usr/local/share/workbench/shiny",
        "unix//run/workbench-apps/{re.user.1}/apps.sock",
    )
    assert hub.summary.startswith("JupyterLab")


@needs_caddy
@pytest.mark.parametrize("services", [[], [HUB], [HUB, OTHER, APPS]])
@pytest.mark.parametrize("host_name", ["192.0.2.7", "bench.example.org"])
def test_caddy_takes_the_configuration_for_an_address_and_for_a_name(
    tmp_path: Path, host_name: str, services: list[proxy.Entry]
) -> None:
    done = caddy("validate", caddyfile(host_name, services, snippet("own", tmp_path)), tmp_path)
    assert done.returncode == 0, done.stderr


@needs_caddy
def test_the_configuration_is_formatted_as_caddy_formats_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(CADDY), "fmt", "-"], input=caddyfile(), capture_output=True, text=True, check=False
    )
    assert done.stdout == caddyfile()


@needs_caddy
def test_every_service_is_found_on_loopback_and_keeps_its_websockets_over_a_reload(tmp_path: Path) -> None:
    adapted = json.loads(caddy("adapt", caddyfile(), tmp_path).stdout)
    proxies = {one["upstreams"][0]["dial"]: one for one in handlers(adapted, "reverse_proxy")}
    apps = "unix//run/apps/{http.regexp.user.1}/x.sock"
    assert set(proxies) == {"unix//run/hub.sock", "unix//run/its.sock", "127.0.0.1:8787", apps}
    assert all(
        one["stream_close_delay"] > 0 for one in proxies.values() if one != proxies["unix//run/its.sock"]
    )


@needs_caddy
def test_what_may_lead_to_somebodys_port_is_judged_first_by_what_the_service_will_read(
    tmp_path: Path,
) -> None:
    judge = Judge(socket="/run/judge.sock", of="/p6?/|%")
    text = caddyfile(services=[replace(OTHER, judge=judge)])
    adapted = json.loads(caddy("adapt", text, tmp_path).stdout)
    [asked] = [
        one
        for one in handlers(adapted, "reverse_proxy")
        if one["upstreams"][0]["dial"] == "unix//run/judge.sock"
    ]
    assert asked["headers"]["request"]["set"]["X-Forwarded-Uri"] == ["{http.request.uri}"]
    assert asked["rewrite"] == {"method": "GET", "uri": "/"}
    assert "forward_auth" not in caddyfile(services=[OTHER])
    assert "vars_regexp {http.request.uri} /p6?/|%" in text


@needs_caddy
def test_users_programs_may_ask_what_is_let_through_and_nothing_else(tmp_path: Path) -> None:
    adapted = json.loads(caddy("adapt", caddyfile(), tmp_path).stdout)
    [server] = [
        one
        for one in adapted["apps"]["http"]["servers"].values()
        if one["listen"] == ["unix//run/caddy/hub.sock|0666"]
    ]
    words, winding, passed, refused = server["routes"]
    assert "X-Real-Ip" in json.dumps(words["handle"])  # which the hub would believe
    assert "vars_regexp" in winding["match"][0]
    [match] = passed["match"]
    assert match["path"] == ["/jupyter/hub/api", "/jupyter/hub/api/*"]
    assert "GET" in match["method"], "the hub counts requests by method, and any that users make up"
    assert server["max_header_bytes"] == 8000
    assert "unix//run/its.sock" in json.dumps(passed)
    assert "match" not in refused
    assert '"status_code": 404' in json.dumps(refused)


@needs_caddy
def test_a_service_that_believes_to_be_at_the_root_is_told_its_path_in_a_header(tmp_path: Path) -> None:
    adapted = json.loads(caddy("adapt", caddyfile(), tmp_path).stdout)
    proxies = {one["upstreams"][0]["dial"]: one for one in handlers(adapted, "reverse_proxy")}
    assert proxies["127.0.0.1:8787"]["headers"]["request"]["set"] == {"X-Path": ["/other"]}
    assert "headers" not in proxies["unix//run/hub.sock"]
    stripped = [
        one["strip_path_prefix"] for one in handlers(adapted, "rewrite") if "strip_path_prefix" in one
    ]
    assert stripped == ["/other"]


@needs_caddy
def test_certificates_are_of_the_internal_ca_which_the_host_need_not_trust(tmp_path: Path) -> None:
    text = caddyfile(certificate=snippet("own", tmp_path))
    adapted = json.loads(caddy("adapt", text, tmp_path).stdout)
    policies = adapted["apps"]["tls"]["automation"]["policies"]
    assert all(issuer["module"] == "internal" for policy in policies for issuer in policy["issuers"])
    assert adapted["apps"]["pki"]["certificate_authorities"]["local"]["install_trust"] is False
    assert adapted["admin"]["listen"] == "unix//run/caddy/admin.sock|0600"
    assert '"Strict-Transport-Security": [' not in json.dumps(adapted)


@needs_caddy
@pytest.mark.parametrize("root", [None, "/etc/ssl/certs/ca-certificates.crt"])
def test_with_a_domain_the_one_ca_is_asked_and_browsers_are_told_to_insist(
    tmp_path: Path, root: str | None
) -> None:
    text = caddyfile("bench.example.org", certificate=snippet("acme", tmp_path, root=root))
    adapted = json.loads(caddy("adapt", text, tmp_path).stdout)
    [policy] = [
        one
        for one in adapted["apps"]["tls"]["automation"]["policies"]
        if one.get("subjects") == ["bench.example.org"]
    ]
    # No second issuer: Caddy would replace a good certificate by one of its own CA at the first failed renewal.
    [issuer] = policy["issuers"]
    assert issuer["module"] == "acme"
    assert issuer["ca"] == "https://ca.example/directory"
    assert issuer["email"] == "ada@example.org"
    assert issuer.get("trusted_roots_pem_files") == ([root] if root else None)
    assert '"Strict-Transport-Security": [' in json.dumps(adapted)


@needs_caddy
def test_passwords_go_the_way_of_their_own_whose_connection_ends_with_the_answer(tmp_path: Path) -> None:
    """A8: with small bodies, before what else is below the service's path, to what gives turns where it does not."""
    gate = replace(OTHER, sign_in=SignIn(("in*",), "/run/turns.sock"))
    own = replace(HUB, sign_in=SignIn(("hub/login", "hub/api/users/*/tokens")))
    adapted = json.loads(caddy("adapt", caddyfile(services=[own, gate]), tmp_path).stdout)
    guarded = [route for route in routes(adapted) if handlers(route.get("handle"), "request_body")]
    inner = [route for route in guarded if len(handlers(route, "request_body")) == 1 and "match" in route]
    found = {route["match"][0]["path"][0]: route for route in inner}
    assert set(found) == {"/jupyter/hub/login", "/other/in*"}
    assert found["/jupyter/hub/login"]["match"][0]["method"] == ["POST"]
    for path, dial in (("/jupyter/hub/login", "unix//run/hub.sock"), ("/other/in*", "unix//run/turns.sock")):
        [way] = handlers(found[path], "reverse_proxy")
        assert way["upstreams"] == [{"dial": dial}]
        [header] = [one for one in handlers(found[path], "headers") if "response" in one]
        assert header["response"]["set"] == {"Connection": ["close"]}
    ordered = [
        route["match"][0]["path"][0] for route in routes(adapted) if "path" in (route.get("match") or [{}])[0]
    ]
    assert ordered.index("/jupyter/hub/login") < ordered.index("/jupyter/*")
    assert ordered.index("/other/in*") < ordered.index("/other/*")


@needs_caddy
def test_a_head_has_to_come_soon_and_be_small_and_a_body_may_take_its_time(tmp_path: Path) -> None:
    """A9, and uploads of hours."""
    adapted = json.loads(caddy("adapt", caddyfile(), tmp_path).stdout)
    for server in adapted["apps"]["http"]["servers"].values():
        assert 0 < server["read_header_timeout"] <= 30e9
        assert 0 < server["max_header_bytes"] <= 64 * 1024
        assert "read_timeout" not in server
        assert "write_timeout" not in server


def routes(node: Any) -> list[dict[str, Any]]:
    """All routes, in their order, however deep in the adapted configuration."""
    if isinstance(node, list):
        return [found for child in node for found in routes(child)]
    if not isinstance(node, dict):
        return []
    below = [found for child in node.values() for found in routes(child)]
    return [node, *below] if "handle" in node else below


@needs_caddy
@pytest.mark.parametrize(
    "services", [[OTHER], [proxy.Entry(**{**vars(HUB), "rules": "jupyterhub/proxy.caddy.j2"})]]
)
def test_a_login_of_one_services_rules_goes_to_no_other_service(
    tmp_path: Path, services: list[proxy.Entry]
) -> None:
    adapted = json.loads(caddy("adapt", caddyfile(services=services), tmp_path).stdout)
    replaced = [one["request"].get("replace", {}) for one in handlers(adapted, "headers") if "request" in one]
    assert [one["Cookie"][0]["search_regexp"] for one in replaced if "Cookie" in one] == [
        "__Host-[^;]*(; ?)?"
    ]


@needs_caddy
def test_caddy_takes_the_hubs_rules_and_asks_the_hub_where_the_hub_is(tmp_path: Path) -> None:
    hub = proxy.Entry(**{**vars(HUB), "rules": "jupyterhub/proxy.caddy.j2"})
    text = caddyfile(services=[hub, OTHER], certificate=snippet("own", tmp_path))
    done = caddy("validate", text, tmp_path)
    assert done.returncode == 0, done.stderr
    adapted = json.loads(caddy("adapt", text, tmp_path).stdout)
    asked = [one for one in handlers(adapted, "reverse_proxy") if "rewrite" in one]
    assert [(one["rewrite"]["uri"], one["upstreams"]) for one in asked] == [
        ("/jupyter/hub/visit", [{"dial": hub.upstream}])
    ]


def handlers(node: Any, kind: str) -> list[dict[str, Any]]:
    """All handlers of one kind, however deep in the adapted configuration."""
    if isinstance(node, list):
        return [found for child in node for found in handlers(child, kind)]
    if not isinstance(node, dict):
        return []
    below = [found for child in node.values() for found in handlers(child, kind)]
    return [node, *below] if node.get("handler") == kind else below
