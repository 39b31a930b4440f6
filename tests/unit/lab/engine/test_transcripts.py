"""The real engine's transcripts, gone through step by step: the same program makes the stand-in send the same
calls with the same content, and print the same lines.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.unit.lab.engine.conftest import Command
from tests.unit.lab.engine.replaying_provider import (
    TRANSCRIPTS,
    Call,
    ReplayingProvider,
    key_of,
    serve,
    transcript,
)

# What was set before a step ran, and the command of the step.
SET = {
    "04-preview-resize": {"size": "m6i.xlarge"},
    "06-up-grow": {"disk": "80"},
    "07-preview-replace": {"subnet": "10.0.2.0/24"},
    "13-up-protect": {"protect": "true"},
    "15-up-unprotect": {"protect": ""},
    "17-up-adopt": {"adopt": "vol-0042", "disk": "50"},
}
UP, REFRESH = ("up", "--skip-preview"), ("refresh", "--skip-preview")
COMMANDS = {
    "01-preview": ("preview",),
    "02-up": UP,
    "03-up-unchanged": UP,
    "04-preview-resize": ("preview", "--diff"),
    "05-up-resize": UP,
    "06-up-grow": UP,
    "07-preview-replace": ("preview", "--diff"),
    "08-up-replace": UP,
    "09-refresh-drift": REFRESH,
    "10-up-after-drift": UP,
    "11-refresh-gone": REFRESH,
    "12-up-after-gone": UP,
    "13-up-protect": UP,
    # The real engine deleted what is not protected and then failed; asked to exclude it, both do the same.
    "14-destroy-refused": ("destroy", "--skip-preview", "--exclude-protected"),
    "15-up-unprotect": UP,
    "16-destroy": ("destroy", "--skip-preview"),
    "17-up-adopt": UP,
}
# Differ from run to run, or belong to services of the real engine that the stand-in does not offer.
IGNORED = {
    "randomSeed",
    "resourceStatusAddress",
    "resourceStatusToken",
    "engineAddress",
    "address",
    "mapperTarget",
    "loaderTarget",
    "resolverTarget",
    "supportsViews",
    "supportsRefreshBeforeUpdate",
    "acceptsByteString",
}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[list[Call], str]]]:
    """Step -> (the calls that the stand-in made, what it printed)."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        folder = tmp_path_factory.mktemp("probe")
        provider = ReplayingProvider()
        server, port = serve(provider)
        command = _project(folder, monkeypatch, port)
        found = {}
        for step, arguments in COMMANDS.items():
            provider.load(step)
            for key, value in SET.get(step, {}).items():
                command.ok("config", "set", key, value)
            out = command.ok(*arguments)
            found[step] = (provider.calls, out)
        yield found
        server.stop(None)


def _project(folder: Any, monkeypatch: pytest.MonkeyPatch, port: int) -> Command:
    (folder / "Pulumi.yaml").write_text("name: probe\nruntime: python\n", encoding="utf-8")
    (folder / "__main__.py").write_bytes((TRANSCRIPTS / "program.py").read_bytes())
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{folder}/state")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "")
    monkeypatch.setenv("PULUMI_DEBUG_PROVIDERS", f"aws:{port}")
    monkeypatch.delenv("PULUMI_STACK", raising=False)
    command = Command(folder)
    command.ok("stack", "init", "dev")
    command.ok("config", "set", "aws:region", "eu-west-1")
    command.ok("config", "set", "pw", "hunter2", "--secret")
    return command


def by_resource(calls: list[Call]) -> dict[str, list[tuple[str, Any]]]:
    """Resource (or function, or "") -> its calls in order, without what is not compared."""
    found = defaultdict(list)
    for call in calls:
        request = {key: value for key, value in call["request"].items() if key not in IGNORED}
        if call["method"] == "Configure":
            request.pop("id")  # a random one, made in the first update
        found[key_of(call)[1]].append((call["method"], request))
    return dict(found)


@pytest.mark.parametrize("step", COMMANDS)
def test_the_provider_is_asked_what_the_real_engine_asked_it(
    step: str, steps: dict[str, tuple[list[Call], str]]
) -> None:
    assert by_resource(steps[step][0]) == by_resource(transcript(step))


@pytest.mark.parametrize("step", COMMANDS)
def test_every_check_brings_a_seed_for_random_names(
    step: str, steps: dict[str, tuple[list[Call], str]]
) -> None:
    seeds = [call["request"]["randomSeed"] for call in steps[step][0] if call["method"] == "Check"]
    assert len(set(seeds)) == len(seeds)
    assert all(len(seed) == 44 for seed in seeds)  # 32 bytes in base64


def test_a_replacement_deletes_and_makes_in_the_order_of_the_real_engine(
    steps: dict[str, tuple[list[Call], str]],
) -> None:
    def changes(calls: list[Call]) -> list[tuple[str, str]]:
        # The update of the address runs beside the making of the attachment.
        return [key_of(call) for call in calls if call["method"] in ("Create", "Delete")]

    assert changes(steps["08-up-replace"][0]) == changes(transcript("08-up-replace"))


def test_a_destroy_deletes_dependents_before_what_they_depend_on(
    steps: dict[str, tuple[list[Call], str]],
) -> None:
    deleted = [call["request"]["name"] for call in steps["16-destroy"][0] if call["method"] == "Delete"]
    assert {deleted[0], deleted[1]} == {"data", "address"}
    assert {deleted[2], deleted[3]} == {"https", "server"}
    assert {deleted[4], deleted[5]} == {"sg", "subnet"}
    assert deleted.index("vpc") > deleted.index("subnet")
    assert len(deleted) == 10  # all but the retained volume and the components


def _comparable(text: str) -> list[str]:
    """The lines of a display, in an order of their own, times and random ids apart."""
    lines = []
    for line in text.splitlines():
        line = re.sub(r"\(\d+(\.\d+)?s\)", "(time)", UUID.sub("(uuid)", line)).rstrip()
        line = re.sub(r"^Duration: .*", "Duration", line)
        if line.endswith(" running") or "stand-in for the Pulumi CLI" in line:
            continue
        lines.append(line)
    return sorted(lines)


@pytest.mark.parametrize("step", [step for step in COMMANDS if step != "14-destroy-refused"])
def test_it_prints_what_the_real_command_printed(step: str, steps: dict[str, tuple[list[Call], str]]) -> None:
    real = _comparable((TRANSCRIPTS / f"{step}.txt").read_text(encoding="utf-8"))
    if step == "16-destroy":
        real.remove("    pulumi:pulumi:Stack probe-dev")  # a line that says nothing
    assert _comparable(steps[step][1]) == real


def test_the_first_line_says_that_this_is_a_stand_in(steps: dict[str, tuple[list[Call], str]]) -> None:
    for _, out in steps.values():
        assert out.splitlines()[0].startswith("This is the lab's stand-in for the Pulumi CLI")


def test_a_protected_resource_refuses_the_destroy_before_anything_is_deleted(
    make_project: Callable[[str], Command], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The real engine deleted eleven resources and failed then (transcript 14).
    command = make_project((TRANSCRIPTS / "program.py").read_text(encoding="utf-8"))
    provider = ReplayingProvider()
    server, port = serve(provider)
    monkeypatch.setenv("PULUMI_DEBUG_PROVIDERS", f"aws:{port}")
    command.ok("config", "set", "aws:region", "eu-west-1")
    command.ok("config", "set", "pw", "hunter2", "--secret")
    command.ok("config", "set", "protect", "true")
    provider.load("02-up")
    command.ok(*UP)
    provider.load("14-destroy-refused")
    ran = command("destroy", "--yes")
    server.stop(None)
    assert ran.status == 1
    assert "because it is protected" in ran.out
    assert not [call for call in provider.calls if call["method"] == "Delete"]
