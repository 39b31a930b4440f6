"""The Pulumi program under mocks: what it refuses before anything is made."""

import subprocess
from pathlib import Path
from typing import Any

import pulumi
import pytest

from tests.infra.conftest import SERVER, SNAPSHOT, VOLUME, Cloud
from workbench import servers


def volume(cloud: Cloud, volume_id: str = "vol-1", held_by: str = "") -> None:
    cloud.begun()
    cloud.add(VOLUME, volume_id, "data", availabilityZone="eu-west-1a", size=50)
    cloud.held_by = held_by


def server(cloud: Cloud, server_id: str = "i-0", root_gib: int = 8) -> None:
    cloud.begun()
    disk = {"volumeSize": root_gib}
    cloud.add(SERVER, server_id, "server", instanceType="t3.large", rootBlockDevice=disk)


@pytest.mark.parametrize(
    ("volumes", "changes", "sentence"),
    [
        (["vol-1"], {"dataVolumeGib": 20}, "can only grow; set workbench:dataVolumeGib to at least 50"),
        (["vol-1"], {"zone": "eu-west-1b"}, "set workbench:zone to eu-west-1a"),
        (["vol-1", "vol-2"], {}, r"2 volumes claim .* \(vol-1, vol-2\)"),
    ],
)
def test_settings_that_do_not_fit_the_data_volume_are_refused(
    declare: Any, cloud: Any, volumes: Any, changes: Any, sentence: str
) -> None:
    for volume_id in volumes:
        volume(cloud, volume_id)
    with pytest.raises(pulumi.RunError, match=sentence):
        declare(**changes)
    assert not cloud.resources


def test_a_type_of_another_architecture_than_the_servers_is_refused(declare: Any, cloud: Any) -> None:
    server(cloud)
    with pytest.raises(pulumi.RunError, match=r"'t4g.large', which is arm64, but the server runs x86_64"):
        declare(size="t4g.large", services={"rstudio": {"enabled": False}})
    assert not cloud.resources


def test_a_root_disk_that_would_have_to_shrink_is_refused(declare: Any, cloud: Any) -> None:
    server(cloud, root_gib=40)
    with pytest.raises(
        pulumi.RunError, match=r"i-0 has 40 GiB .* set workbench:rootVolumeGib to at least 40"
    ):
        declare(rootVolumeGib=30)
    assert not cloud.resources
    declare(rootVolumeGib=40)


def test_two_servers_with_the_stacks_tags_are_refused(declare: Any, cloud: Any) -> None:
    server(cloud)
    server(cloud, "i-1")
    with pytest.raises(pulumi.RunError, match=r"2 servers claim to be that of stack dev .* \(i-0, i-1\)"):
        declare()
    assert not cloud.resources


def test_a_data_volume_that_another_server_holds_is_refused(declare: Any, cloud: Any) -> None:
    volume(cloud, held_by="i-7")
    for own in (False, True):
        if own:
            server(cloud)
        with pytest.raises(pulumi.RunError, match=r"vol-1 is attached to a server that is not this stack's"):
            declare()
    assert not cloud.resources
    cloud.held_by = "i-0"
    declare()


def test_a_type_that_the_zone_lacks_is_refused_with_the_zones_that_have_it(declare: Any, cloud: Any) -> None:
    cloud.offered = ("eu-west-1b", "eu-west-1c")
    with pytest.raises(
        pulumi.RunError, match=r"'t3.large', which eu-west-1a .*\(but eu-west-1b, eu-west-1c\)"
    ):
        declare()
    assert not cloud.resources


def test_a_type_that_only_the_api_knows_is_asked_there(declare: Any, cloud: Any) -> None:
    declare(size="x9.huge")
    assert cloud.of("Instance")[0].inputs["instanceType"] == "x9.huge"
    cloud.resources.clear()
    with pytest.raises(pulumi.RunError, match=r"'t3.gigantic', which AWS does not offer"):
        declare(size="t3.gigantic")
    with pytest.raises(pulumi.RunError, match="need 2368 MiB"):
        declare(size="x9.nano")
    assert not cloud.resources


def test_a_zone_of_another_region_is_refused(declare: Any, cloud: Any) -> None:
    cloud.region = "us-east-1"
    with pytest.raises(pulumi.RunError, match="pulumi config set aws:region eu-west-1"):
        declare()


def test_a_key_that_nobody_could_be_asked_for_is_refused_before_a_server_is_made(
    declare: Any, cloud: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(key)], check=True)
    monkeypatch.setenv("WORKBENCH_SSH_KEY", str(key))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(pulumi.RunError, match=r"has a passphrase, and no ssh-agent has it: run `ssh-add "):
        declare()
    assert not cloud.resources
    declare(configure=False)
    assert cloud.resources


def test_a_named_key_that_is_none_of_the_settings_is_refused_before_a_server_is_made(
    declare: Any, cloud: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that there is may know more keys than the settings."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    monkeypatch.setenv("WORKBENCH_SSH_KEY", str(tmp_path / "key"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(
        pulumi.RunError, match=r"WORKBENCH_SSH_KEY names .* is none of workbench:adminSshKeys"
    ):
        declare()
    assert not cloud.resources
    declare(configure=False)
    cloud.killed(())
    declare()
    assert cloud.resources


def test_settings_that_are_wrong_are_refused_in_a_sentence(declare: Any, cloud: Any) -> None:
    with pytest.raises(pulumi.RunError, match="workbench:sizze is not a setting"):
        declare(sizze="x")
    assert not cloud.resources


def test_a_restore_that_has_not_ended_is_refused_whichever_way_it_was_cut_off(
    declare: Any, cloud: Any
) -> None:
    volume(cloud)
    cloud.add(VOLUME, "vol-2", "data-restoring", availabilityZone="eu-west-1a", size=50)
    with pytest.raises(pulumi.RunError, match=r"has begun and not ended \(vol-2 is to be its data volume\)"):
        declare()
    cloud.things = [thing for thing in cloud.things if thing["id"] != "vol-2"]
    declare()
    cloud.killed(())
    for thing in cloud.of_kind(VOLUME):
        thing["tags"]["Role"] = "data-before-restore"
    stack_id = cloud.of_kind(VOLUME)[0]["tags"]["StackId"]
    cloud.add(VOLUME, "vol-3", "data", availabilityZone="eu-west-1a", size=50)
    cloud.of_kind(VOLUME)[-1]["tags"]["StackId"] = stack_id
    with pytest.raises(pulumi.RunError, match=r"has begun and not ended \(vol-3 is to be its data volume\)"):
        declare()
    assert not cloud.resources


def test_a_rebuild_that_has_not_ended_is_refused_to_all_but_itself(
    declare: Any, cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume(cloud, held_by="i-former")
    cloud.add(SERVER, "i-former", servers.FORMER, instanceType="t3.large", rootBlockDevice={"volumeSize": 8})
    for other in ("", "i-another"):
        monkeypatch.setenv(servers.REBUILD_VARIABLE, other)
        with pytest.raises(pulumi.RunError, match=r"A rebuild of stack dev .* not ended \(i-former is"):
            declare()
    assert not cloud.resources


def test_no_empty_volume_is_made_where_a_snapshot_has_the_data(declare: Any, cloud: Any) -> None:
    cloud.begun()
    cloud.add(SNAPSHOT, "snap-2", "snapshot", volumeSize=50)
    cloud.add(SNAPSHOT, "snap-1", "snapshot", volumeSize=50)
    said = r"no data volume, but 2 snapshots of one, the newest snap-2: `workbench restore snap-2`"
    with pytest.raises(pulumi.RunError, match=said):
        declare()
    assert not cloud.resources
    volume(cloud)
    declare()


def test_a_lost_state_is_told_of_what_snapshots_cost(declare: Any, cloud: Any) -> None:
    cloud.add(SNAPSHOT, "snap-1", "snapshot", volumeSize=50)
    with pytest.raises(pulumi.RunError, match=r"snapshot snap-1 \(50 GiB, at most\), about 2.50 USD a month"):
        declare()
