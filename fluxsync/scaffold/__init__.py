"""``fluxsync new`` and ``fluxsync build``: a small project that runs, is tested and can be deployed."""

from __future__ import annotations

from .image import create_image_files
from .project import create_project

__all__ = ["create_image_files", "create_project"]
