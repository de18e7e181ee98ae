"""What all groups of settings have in common."""

from __future__ import annotations

import pydantic


class Group(pydantic.BaseModel):
    """Settings that belong together; :class:`~fluxsync.FluxSyncSettings` has all of them."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")
