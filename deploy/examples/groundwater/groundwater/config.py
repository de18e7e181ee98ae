"""What the environment says, and limits.

Only the API asks the environment: Streamlit's process doesn't get these variables.
"""

from __future__ import annotations

import os
from datetime import timedelta

DATABASE_VARIABLE = "GROUNDWATER_DATABASE_URL"
SECRET_VARIABLE = "GROUNDWATER_SECRET_KEY"  # noqa: S105 - a name
DEFAULT_DATABASE = "sqlite:///groundwater.sqlite3"

#: How long somebody stays logged in without logging in again.
SESSION_LENGTH = timedelta(hours=10)
MAX_UPLOAD_BYTES = 10 * 1024 * 1024
MAX_UPLOAD_ROWS = 100_000


class ConfigError(Exception):
    """A variable is missing or wrong; the message names it."""


def database_url() -> str:
    """Return SQLAlchemy's URL of the database."""
    url = os.environ.get(DATABASE_VARIABLE) or DEFAULT_DATABASE
    for scheme in ("postgres://", "postgresql://"):  # as platforms write it
        if url.startswith(scheme):
            return url.replace(scheme, "postgresql+psycopg://", 1)
    return url


def secret_key() -> str:
    """Return the key that signs sessions; the same in all workers, and kept over restarts."""
    key = os.environ.get(SECRET_VARIABLE, "")
    if len(key) < 32:
        raise ConfigError(f"{SECRET_VARIABLE} must be set to 32 or more random characters")
    return key
