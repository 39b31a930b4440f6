"""`workbench bake`: an image of the workbench's packages, from which the next new server starts.

1. A builder is made, of the stack's size, from Debian's own image.
2. The deploy configures it, by settings in which nothing is but what chooses packages (workbench/images.py).
3. Security fixes are installed, it is cleaned and searched (host/workbench_host/image), and stopped.
4. An image is made of its disk, and once that is available, the oldest one goes.

The builder goes, whatever happens. What a run leaves that is killed, the next one finds by its tags.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from cli import cloud, common, repair, swapping
from cli.amis import Amis, usd_per_month
from cli.builders import Builder, Builders, Place
from cli.common import StackOption, console
from cli.disks import Disks
from cli.waiting import asking
from connector import configure
from workbench import images, packages, stackfile, team
from workbench import stack as stacks
from workbench.errors import WorkbenchError
from workbench.host import program_path
from workbench.images import Image, Wanted
from workbench.instance_types import Architecture, architecture_of
from workbench.outputs import ADMIN, Outputs
from workbench.settings import Settings
from workbench.versions import debian_parameter

_SUBNET, _GROUP = "aws:ec2/subnet:Subnet", "aws:ec2/securityGroup:SecurityGroup"
_PROGRAM = program_path("image")
_UPDATE_SECONDS, _CLEAN_SECONDS = 1800, 300
_LISTED = 5  # of what was found in an image


def bake(stack: StackOption = None) -> None:
    """Make an image of the packages that the settings ask for: the next new server starts from it, and is there sooner.

    It takes a builder for some minutes; the server goes on meanwhile. Nothing of people is in it, and no secret.
    """
    name = common.enter(stack)
    common.require_stack_file(name)
    with swapping.alone(name, "bake"):
        made(name, stacks.settings(name))


def after(name: str, settings: Settings) -> None:
    """Bakes where the settings say so, and no image that fits has all that they ask for."""
    if settings.images.bake and is_due(name, settings):
        with swapping.alone(name, "bake"):
            made(name, settings)


def announced(name: str) -> list[str]:
    """What `up` will bake once it is through, and what that costs, for the plan."""
    if not is_wanted(name):
        return []
    settings = stacks.settings(name)
    if not is_due(name, settings):
        return []
    usd = usd_per_month(settings.root_volume_gib)
    return [
        f"Then an image is baked, which takes some minutes and costs at most {usd:.2f} USD a month; {images.KEPT} are "
        "kept."
    ]


def is_wanted(name: str) -> bool:
    """Whether images.bake is on, as the stack file says it: at once, where nearly all have it off."""
    section = stackfile.value_of(name, "images")
    return isinstance(section, Mapping) and section.get("bake") is True


def is_due(name: str, settings: Settings) -> bool:
    """Whether no image fits that has all that the settings ask for."""
    exported = repair.export(name)
    if repair.stack_id(exported) is None:
        return True
    disks = Disks.of(name, exported)
    wanted = Wanted.by(settings, _kind(disks, settings)[0], team.locks(stackfile.path_of(name), settings))
    best = images.chosen(Amis(disks).all(), wanted)
    return best is None or not images.has_all(best, wanted)


def settle(name: str, exported: repair.Exported, refuse: bool = False) -> None:
    """Ends what bakes that died have left of builders; see Builders.settle. To be called with swapping.alone."""
    if repair.stack_id(exported) is not None:
        Builders(Disks.of(name, exported)).settle(refuse)


def made(name: str, settings: Settings) -> Image:
    """The image, once it is available. To be called with swapping.alone. Raises WorkbenchError."""
    locks = team.locks(stackfile.path_of(name), settings)
    exported = repair.export(name)
    place = _place(name, exported)
    disks = Disks.of(name, exported)
    builders, amis = Builders(disks), Amis(disks)
    builders.settle(refuse=True)
    amis.settle()
    architecture, vcpus, memory_mib = _kind(disks, settings)
    if lacking := list(settings.unfit(architecture, memory_mib)):
        raise WorkbenchError("\n".join(map(str, lacking)))
    with common.stage(f"A builder ({settings.size})"):
        builder = builders.make(settings, _debian(name, architecture), place)
    with _ending(builders, builder):
        facts = _facts(name, settings, builder, (architecture, vcpus, memory_mib))
        _configured(settings, facts)
        _cleaned(facts)
        with common.stage("Stop the builder"):
            builders.stop(builder)
        with common.stage("An image of its disk"):
            image = amis.make(builder, packages.parts(settings, locks))
    amis.prune()
    # After a bake that failed, its log is there.
    stacks.forget_notes(images.builder_of(stacks.short_name(name)))
    _tell(amis, image)
    return image


@contextmanager
def _ending(builders: Builders, builder: Builder) -> Iterator[None]:
    """The builder goes, whatever happens. Where that fails too, what happened first is what people have to know."""
    try:
        yield
    except BaseException:
        try:
            builders.end(builder)
        except WorkbenchError as left:
            console.print(f"{left} The next `workbench bake`, `up` or `destroy` ends it.", markup=False)
        else:
            console.print(f"{str(builder).capitalize()} was ended.", markup=False)
        raise
    with common.stage("End the builder"):
        builders.end(builder)


def _tell(amis: Amis, image: Image) -> None:
    usd = usd_per_month(amis.snapshots().get(image.snapshot, float(image.root_gib)))
    console.print(
        f"The image {image} is there, at most {usd:.2f} USD a month: the next new server starts from it. `workbench "
        "images` lists all.",
        markup=False,
    )


def _place(name: str, exported: repair.Exported) -> Place:
    """Where the stack's server is. Raises WorkbenchError where there is no such place."""
    ids = {one["type"]: str(one.get("id")) for one in stacks.resources_in(exported)}
    if repair.stack_id(exported) is None or not {_SUBNET, _GROUP} <= ids.keys():
        raise WorkbenchError(
            f"Stack {name} has no network at present, which a builder needs: `workbench up` makes it, then bake."
        )
    return Place(ids[_SUBNET], ids[_GROUP])


def _kind(disks: Disks, settings: Settings) -> tuple[Architecture, int, int]:
    """Architecture, CPUs and MiB of memory of the settings' size. Raises WorkbenchError where AWS has no such type."""
    with asking(f"Asking for the type {settings.size}"):
        (told,) = disks.ec2.describe_instance_types(InstanceTypes=[settings.size])["InstanceTypes"]
    architecture = architecture_of(told["ProcessorInfo"]["SupportedArchitectures"])
    return architecture, told["VCpuInfo"]["DefaultVCpus"], told["MemoryInfo"]["SizeInMiB"]


def _debian(name: str, architecture: Architecture) -> str:
    with asking("Asking for Debian's image"):
        told = cloud.client("ssm", stacks.aws_config(name)).get_parameter(Name=debian_parameter(architecture))
    return str(told["Parameter"]["Value"])


def _facts(name: str, settings: Settings, builder: Builder, kind: tuple[Architecture, int, int]) -> Outputs:
    """The builder as the deploy takes a server, under a name of its own: the stack's notes are the server's."""
    architecture, vcpus, memory_mib = kind
    return Outputs(
        stack=images.builder_of(stacks.short_name(name)),
        region=settings.region,
        zone=settings.zone,
        address=builder.address,
        host_name=builder.address,
        instance_id=builder.id,
        instance_type=settings.size,
        architecture=architecture,
        vcpus=vcpus,
        memory_mib=memory_mib,
        volume_id=builder.volume,
        url=f"https://{builder.address}/",
        ssh=f"ssh {ADMIN}@{builder.address}",
    )


def _configured(settings: Settings, facts: Outputs) -> None:
    context = {"config": images.config_of(settings), "outputs": facts.model_dump(by_alias=True)}
    with common.stage("Configure the builder"), configure.begun() as deploy:
        configure.way_in(settings.admin_ssh_keys, facts.address)
        configure.wait_for_ssh(facts.address)
        deploy.hand_over(json.dumps(context), facts)
        deploy.end()


def _cleaned(facts: Outputs) -> None:
    """Raises WorkbenchError where something is left that no image may have."""
    with common.stage("Install security fixes"):
        _ask(facts, "update", _UPDATE_SECONDS)
    with common.stage("Clean the builder"):
        left = _ask(facts, "clean", _CLEAN_SECONDS)
    if left:
        more = f" and {len(left) - _LISTED} more" if len(left) > _LISTED else ""
        raise WorkbenchError(
            f"The builder has what no image may have ({'; '.join(left[:_LISTED])}{more}); no image was made."
        )


def _ask(facts: Outputs, verb: str, seconds: int) -> list[str]:
    """What the host's program says is left. Raises WorkbenchError where it fails."""
    command = [*stacks.ssh_command(facts), f"sudo timeout {seconds} {_PROGRAM} {verb}"]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=seconds + 60,
        )
    except subprocess.TimeoutExpired:
        raise WorkbenchError(
            f"The builder did not answer within {seconds + 60} s; no image was made."
        ) from None
    if done.returncode not in (0, 3):
        said = (done.stderr.strip() or done.stdout.strip() or f"status {done.returncode}").splitlines()[-1]
        raise WorkbenchError(f"`image {verb}` failed on the builder: {said}; no image was made.")
    return done.stdout.splitlines() if done.returncode else []
