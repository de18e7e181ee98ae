"""Lines of what a process prints: few enough to be logged, short enough to be kept. No I/O.

Pages may print whatever they like: megabytes without an end of line, binary data, a hundred
thousand lines a second. All of it is read, as a process whose pipe is full would wait.
"""

from __future__ import annotations

import collections

from ..telemetry.redaction import redact_text

#: So many last lines of output explain why a process ended.
REMEMBERED_LINES = 20
#: Longer lines are cut, shorter so in what is remembered: that goes to every worker with each
#: table. In bytes, and in characters.
MAX_LINE, MAX_REMEMBERED = 8 * 1024, 1024
#: More lines in a second are left out.
LINES_PER_SECOND = 1000
_CUT = " (cut)"


class Output:
    """Takes what a process prints, in whatever pieces it comes."""

    def __init__(self) -> None:
        self._rest = b""
        #: Whether the current line is too long already.
        self._is_cut = False
        self._second = 0.0
        self._taken = 0
        self._omitted = 0
        self._last: collections.deque[str] = collections.deque(maxlen=REMEMBERED_LINES)

    def feed(self, data: bytes, now: float) -> list[str]:
        """Return the lines to be logged, redacted.

        :param data: Nothing at the end, or once more if there's nothing more for now.
        :param now: Seconds.
        """
        lines = self._split(data)
        if now >= self._second + 1.0:
            self._second, self._taken = now, 0
        room = max(0, LINES_PER_SECOND - self._taken)
        self._taken += len(lines[:room])
        self._omitted += len(lines[room:])
        taken = [_readable(line) for line in lines[:room]]
        self._last.extend(line[:MAX_REMEMBERED] for line in taken)
        for line in lines[room:][-REMEMBERED_LINES:]:
            self._last.append(_readable(line)[:MAX_REMEMBERED])
        return taken

    @property
    def last_lines(self) -> list[str]:
        """What was printed last, redacted."""
        return list(self._last)

    def take_omitted(self, now: float) -> int:
        """Return how many lines were left out, if that second is over; they are told once."""
        if now < self._second + 1.0:
            return 0
        omitted, self._omitted = self._omitted, 0
        return omitted

    def _split(self, data: bytes) -> list[bytes]:
        pieces = data.split(b"\n")
        lines = []
        for number, piece in enumerate(pieces):
            if not self._is_cut:
                self._rest += piece
                # Progress bars begin their line anew, and a terminal shows what comes last.
                if b"\r" in self._rest:
                    # What it will write over stays until then, for the end may come first.
                    begun = self._rest[-1:] == b"\r"
                    self._rest = self._rest.rstrip(b"\r").rpartition(b"\r")[2] + b"\r" * begun
                if len(self._rest) > MAX_LINE:
                    self._rest = self._rest[:MAX_LINE] + _CUT.encode()
                    self._is_cut = True
            if number < len(pieces) - 1 or not data:
                lines.append(self._rest)
                self._rest, self._is_cut = b"", False
        return [line for line in lines if line.strip()]


def _readable(line: bytes) -> str:
    text = redact_text(line.decode(errors="replace").rstrip())
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    is_plain = character.isprintable() or character == "\t"
    return character if is_plain else repr(character)[1:-1]
