"""A group of settings that belong together."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Group(BaseModel):
    """Keys that belong together; `title` heads them in the reference."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)
    title: ClassVar[str]
