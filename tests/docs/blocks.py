"""The code blocks of a document, one after the other."""

from __future__ import annotations

import re
import textwrap
import typing as t

_BLOCK = re.compile(
    r"^\.\. code-block:: (?P<language>\S+)\n(?:   :caption: (?P<caption>.+)\n)?\n"
    r"(?P<text>(?:   .*\n|\n)+)",
    re.MULTILINE,
)


class Block(t.NamedTuple):
    """One block; the caption of code is its file."""

    language: str
    caption: str
    text: str

    def commands(self) -> list[tuple[str, list[str]]]:
        """Return each command of a console, and the lines that it's said to print."""
        found: list[tuple[str, list[str]]] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif line:
                found[-1][1].append(line)
        return found


def read(text: str) -> list[Block]:
    """Return all blocks of a text."""
    return [
        Block(m["language"], m["caption"] or "", textwrap.dedent(m["text"]).strip("\n") + "\n")
        for m in _BLOCK.finditer(text)
    ]
