"""What all sections of the training configuration have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A section. Its fields cannot be changed, and an unknown field is an error. Each field has a `description`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
