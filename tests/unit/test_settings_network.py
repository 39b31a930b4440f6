"""The settings of who may reach the workbench: what is taken, and the one sentence for each thing that is not."""

from typing import Any

import pytest

from infra import naming
from tests.unit.test_settings import complaint
from workbench.config import parse
from workbench.settings import rules


def ranges(count: int) -> list[str]:
    return [f"203.0.{n}.0/24" for n in range(count)]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sshFrom": []}, "workbench:sshFrom is empty; takes at least one entry."),
        ({"sshFrom": ["home"]}, 'workbench:sshFrom[0] is "home", which is no IPv4 range'),
        ({"sshFrom": ["1.2.3.4"]}, "lacks its mask; 1.2.3.4/32 would be right."),
        ({"sshFrom": ["1.2.3.4/8"]}, "has bits set behind its mask; 1.0.0.0/8 would be right."),
        ({"sshFrom": ["2001:db8::/32"]}, "is IPv6"),
        ({"webFrom": ["10.0.0.0/8", "10.0.0.0/8"]}, "workbench:webFrom[1] is 10.0.0.0/8 a second time"),
        ({"sshFrom": ["0.0.0.0/0"]}, "or sshFromAnywhere: true beside it if you mean it"),
        ({"sshFrom": ["0.0.0.0/1", "128.0.0.0/1"]}, "sshFrom opens SSH to the whole internet or much of it"),
        ({"sshFrom": [f"{n}.0.0.0/9" for n in range(4)]}, "or sshFromAnywhere: true beside it"),
        ({"sshFrom": ["9.0.0.0/8", "20.0.0.0/9"]}, "or sshFromAnywhere: true beside it"),
        ({"sshFrom": ["10.0.0.0/8", "20.0.0.0/9"]}, "or sshFromAnywhere: true beside it"),
        ({"sshFrom": [f"{n}.0.0.0/10" for n in range(20, 25)]}, "or sshFromAnywhere: true beside it"),
        ({"webFrom": ranges(30)}, "workbench:webFrom is too long: AWS allows a firewall 60 rules"),
        ({"webFrom": ranges(30)}, "takes at most 29 ranges here"),
        (
            {"webFrom": ranges(30)},
            "1 ranges of sshFrom with 30 of webFrom make 61, as each of webFrom takes two; ",
        ),
        ({"sshFrom": ranges(59)}, "workbench:sshFrom is too long"),
        ({"sshFrom": ranges(59)}, "takes at most 58 ranges here"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence_that_names_the_key(
    config: dict[str, Any], changes: dict[str, Any], sentence: str
) -> None:
    assert sentence in complaint(config, **changes)


@pytest.mark.parametrize(
    "proxy", [{"certificates": "internal"}, {"acmeServer": "https://ca.example.org/acme/directory"}]
)
def test_a_web_that_is_closed_to_strangers_takes_a_ca_inside_it(
    config: dict[str, Any], proxy: dict[str, str]
) -> None:
    config |= {
        "workbench:domain": "bench.example.org",
        "workbench:webFrom": ["10.0.0.0/8"],
        "workbench:services": {"proxy": proxy},
    }
    assert parse(config).web_from == ["10.0.0.0/8"]


def test_two_halves_of_the_internet_are_all_of_it(config: dict[str, Any]) -> None:
    config |= {"workbench:domain": "bench.example.org", "workbench:webFrom": ["0.0.0.0/1", "128.0.0.0/1"]}
    assert parse(config).asks_for_certificate()


def test_ssh_for_the_world_can_be_asked_for(config: dict[str, Any]) -> None:
    config |= {"workbench:sshFrom": ["0.0.0.0/0"], "workbench:sshFromAnywhere": True}
    assert parse(config).ssh_from == ["0.0.0.0/0"]


def test_all_private_ranges_together_are_not_the_internet(config: dict[str, Any]) -> None:
    config["workbench:sshFrom"] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "203.0.113.7/32"]
    assert len(parse(config).ssh_from) == 4


def test_a_whole_8_can_be_somebodys_own(config: dict[str, Any]) -> None:
    config["workbench:sshFrom"] = ["9.0.0.0/8"]
    assert parse(config).ssh_from == ["9.0.0.0/8"]


def test_the_most_ranges_that_are_taken_fill_the_firewall(config: dict[str, Any]) -> None:
    config |= {"workbench:sshFrom": ranges(2), "workbench:webFrom": ranges(29)}
    assert len(naming.inbound_rules(parse(config))) == rules.FIREWALL_RULES
