"""The cloud's facts: what only AWS knows, infra -> stack outputs -> deploy."""

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from workbench.instance_types import Architecture

ADMIN = "admin"  # the user of Debian's AMIs; user data gives it a home outside the bind-mounted homes


class Place(BaseModel):
    """A place in S3 that the role for data may use, as workbench/grants.py has it, and the region of its bucket."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    bucket: str
    prefix: str
    write: bool
    region: str


class Outputs(BaseModel):
    """A stack's outputs, camelCase on the wire. All are final once `pulumi up` is through."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    stack: str = Field(description="name of the stack")
    region: str = Field(description="AWS region")
    zone: str = Field(description="availability zone of server and data volume")
    address: str = Field(description="public IPv4 address")
    host_name: str = Field(description="the domain, or the address where there is none")
    instance_id: str
    instance_type: str
    architecture: Architecture
    vcpus: int
    memory_mib: int = Field(description="memory of the instance type, in MiB")
    volume_id: str = Field(description="id of the data volume, vol-...")
    url: str = Field(description="where people log in")
    ssh: str = Field(description="the command that gets an administrator in")
    data_role: str = Field("", description="ARN of the role for data; empty without services.data")
    data_places: tuple[Place, ...] = Field((), description="what that role may use")

    def volume_device(self) -> str:
        """The by-id link of the data volume: NVMe devices carry the volume's id without its dash as serial.

        Source: AWS, "Map Amazon EBS volumes to NVMe device names".
        """
        return f"/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{self.volume_id.replace('-', '')}"
