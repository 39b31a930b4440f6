"""Images of the workbench, from which new servers start."""

from typing import Annotated

from pydantic import Field

from workbench.settings.section import Section


class Images(Section):
    """`images`: when one is made, and which new servers start from."""

    bake: bool = Field(
        False,
        description="whether `workbench up` and `workbench deploy` bake an image once they are through, where no "
        "image that fits has all that the settings ask for",
    )
    days: Annotated[int, Field(ge=1, le=365)] = Field(
        30,
        description="age from which no new server starts from an image until one is baked again, in days: it lacks "
        "the security fixes since",
    )
    start_from: Annotated[str, Field(pattern=r"^ami-[0-9a-f]{8,17}$")] | None = Field(
        None,
        description="id of a workbench's image that new servers start from, such as another stack's; unset, of "
        "this stack's own that fit, the one that has most of what the settings ask for",
    )
