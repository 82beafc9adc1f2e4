"""What all sections of the training configuration have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A section: its fields cannot be changed, and one that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
