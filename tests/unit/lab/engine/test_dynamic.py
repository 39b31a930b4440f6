"""Dynamic resources, run by the SDK's own provider in a process of its own."""

from collections.abc import Callable

from tests.unit.lab.engine.conftest import Command

Make = Callable[[str], Command]
UP = ("up", "--yes", "--skip-preview")
PROGRAM = """
import pulumi
from site_configuration import Site
config = pulumi.Config()
site = Site("site", digest=config.get("digest") or "1", fail=config.get("fail") or "", note=config.get("note"))
pulumi.export("result", site.result)
"""
MODULE = """
from pulumi.dynamic import ConfigureRequest, CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult
from workbench.errors import WorkbenchError

class Provider(ResourceProvider):
    def configure(self, request: ConfigureRequest):
        self.word = request.config.get("word")
    def _run(self, props):
        print(f"deploying {props['digest']}", flush=True)
        if props["fail"] == "nicely":
            raise WorkbenchError("the deploy failed: see deploy.log")
        if props["fail"]:
            raise ValueError("a bug")
        return {"digest": props["digest"], "result": f"deployed {props['digest']} {self.word}"}
    def create(self, props):
        return CreateResult("site-1", self._run(props))
    def diff(self, id, olds, news):
        return DiffResult(changes=olds["digest"] != news["digest"])
    def update(self, id, olds, news):
        return UpdateResult(self._run(news))
    def delete(self, id, props):
        print("undeploying", flush=True)

class Site(Resource, module="site", name="Configuration"):
    def __init__(self, name, opts=None, **props):
        super().__init__(Provider(), name, {"result": None, **props}, opts)
"""


def project(make_project: Make) -> Command:
    command = make_project(PROGRAM)
    (command.folder / "site_configuration.py").write_text(MODULE, encoding="utf-8")
    command.ok("config", "set", "word", "now")
    return command


def test_a_dynamic_resource_is_made_changed_and_deleted_and_what_it_prints_is_shown(
    make_project: Make,
) -> None:
    command = project(make_project)
    assert "deploying" not in command.ok("preview")
    out = command.ok(*UP)
    assert "deploying 1\n" in out
    assert " +  pulumi-python:dynamic:Configuration site created" in out
    assert command.ok("stack", "output", "result") == "deployed 1 now\n"
    assert "2 unchanged" in command.ok(*UP)
    command.ok("config", "set", "note", "its own diff does not mind this")
    assert "2 unchanged" in command.ok(*UP)
    command.ok("config", "set", "digest", "2")
    assert "deploying 2\n" in command.ok(*UP)
    assert "undeploying\n" in command.ok("destroy", "--yes", "--skip-preview")


def test_a_failure_meant_for_people_is_shown_without_traceback_and_tried_again(make_project: Make) -> None:
    command = project(make_project)
    command.ok("config", "set", "fail", "nicely")
    ran = command(*UP)
    assert ran.status == 1
    assert "error: the deploy failed: see deploy.log" in ran.out
    assert "Traceback" not in ran.out + ran.err
    command.ok("config", "rm", "fail")
    assert "deploying 1\n" in command.ok(*UP)


def test_a_bug_in_a_dynamic_resource_is_shown_with_its_traceback(make_project: Make) -> None:
    command = project(make_project)
    command.ok("config", "set", "fail", "badly")
    ran = command(*UP)
    assert ran.status == 1
    assert "ValueError: a bug" in ran.out
    assert "site_configuration.py" in ran.out


def test_the_provider_itself_is_kept_encrypted(make_project: Make) -> None:
    command = project(make_project)
    command.ok(*UP)
    state = command.state.read_text(encoding="utf-8")
    assert '"__provider": {' in state
    assert "ciphertext" in state
