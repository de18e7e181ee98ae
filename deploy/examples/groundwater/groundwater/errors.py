"""What the application refuses to do. The API answers with the status and the message."""

from __future__ import annotations

from collections.abc import Sequence


class Refused(Exception):
    """The input is wrong.

    :param lines: For files: numbers of lines, and what's wrong with them.
    """

    status = 422

    def __init__(self, message: str, lines: Sequence[tuple[int, str]] = ()) -> None:
        super().__init__(message)
        self.lines = lines


class WrongLogin(Refused):
    status = 401


class NotThere(Refused):
    status = 404


class Conflict(Refused):
    """It's right by itself, but doesn't go with what there is."""

    status = 409


class TooManyAttempts(Refused):
    status = 429
