"""``fluxsync new``: a small project that runs, is tested and can be deployed as it is."""

from __future__ import annotations

from .project import create_project

__all__ = ["create_project"]
