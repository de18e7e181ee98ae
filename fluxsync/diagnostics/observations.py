"""What was seen from outside. No I/O."""

from __future__ import annotations

import dataclasses
import enum
import html
import re
import typing as t
import zlib

from ..sansio import headers as _headers
from ..sansio.exchanges import FIELD

if t.TYPE_CHECKING:
    from ..typing import Headers
    from .address import Address

#: Most bytes of an answer that are read.
LIMIT = 2 * 1024 * 1024

_SEEN_PATH = re.compile(r"""<script\b[^>]*?\sdata-path="([^"]*)\"""")
_SEEN_ROOT = re.compile(r"""<script\b[^>]*?\sdata-root="([^"]*)\"""")
_SCRIPT_FILE = re.compile(r"""<script\b[^>]*?\ssrc="(\./static/[^"]+\.js)\"""")
_PASSWORD_FIELD = re.compile(r"""<input\b[^>]*?\stype=["']?password""", re.I)


class Trouble(enum.Enum):
    """Why there's no answer, or not all of it."""

    NAME = "name"
    REFUSED = "refused"
    CERTIFICATE = "certificate"
    TLS = "tls"
    TIMEOUT = "timeout"
    BROKEN = "broken"
    NOT_HTTP = "not HTTP"


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer, or why there's none.

    :ivar status: 0 without an answer.
    :ivar body: As it came, up to :data:`LIMIT` bytes.
    :ivar detail: What the system says about the trouble.
    :ivar seconds: How long it took until its end, or until it was given up.
    :ivar request_id: The one that was sent.
    """

    address: Address
    status: int = 0
    fields: Headers = dataclasses.field(default_factory=list)
    body: bytes = b""
    trouble: Trouble | None = None
    detail: str = ""
    seconds: float = 0.0
    request_id: str = ""

    def get(self, name: str) -> str:
        """Return a header field, or ``""``."""
        return _headers.get(self.fields, name)

    def all(self, name: str) -> list[str]:
        """Return the values of a field that may be there several times."""
        return [value for key, value in self.fields if key.lower() == name.lower()]

    @property
    def kind(self) -> str:
        """Media type."""
        return self.get("content-type").partition(";")[0].strip().lower()

    @property
    def content(self) -> bytes:
        """The body, decompressed; empty if that can't be."""
        if self.get("content-encoding").lower() != "gzip":
            return self.body
        try:
            return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(self.body, LIMIT)
        except zlib.error:
            return b""

    @property
    def text(self) -> str:
        """The content as text."""
        return self.content.decode("utf-8", "replace")

    @property
    def is_gateways(self) -> bool:
        """Whether the gateway's id of the request, or its mark, is on it."""
        return bool(self.get("x-request-id") or self.get(FIELD)) and self.trouble is None

    @property
    def is_page(self) -> bool:
        """Whether it's an HTML page."""
        return self.status == 200 and self.kind == "text/html"

    @property
    def is_streamlits_page(self) -> bool:
        """Whether it's the page that loads Streamlit's frontend."""
        return self.is_page and self.script_file != ""

    @property
    def is_login(self) -> bool:
        """Whether somebody asks who is there."""
        return self.status == 401 or (self.is_page and bool(_PASSWORD_FIELD.search(self.text)))

    @property
    def seen_path(self) -> str | None:
        """The path that the gateway has seen, as it says in a page."""
        found = _SEEN_PATH.search(self.text) if self.is_page else None
        return html.unescape(found[1]) if found else None

    @property
    def root_path(self) -> str:
        """The root path that fluxsync's settings have, as it says in a page."""
        found = _SEEN_ROOT.search(self.text) if self.is_page else None
        return html.unescape(found[1]) if found else ""

    @property
    def script_file(self) -> str:
        """A file of the frontend that a page names, or ``""``."""
        found = _SCRIPT_FILE.search(self.text)
        return html.unescape(found[1]) if found else ""

    @property
    def cookies(self) -> list[tuple[str, str]]:
        """The cookies that are set: their names and values, and their attributes."""
        split = (value.partition(";") for value in self.all("set-cookie"))
        return [(pair.strip(), attributes.strip()) for pair, _, attributes in split if "=" in pair]


@dataclasses.dataclass(frozen=True)
class Arrival:
    """How the page was found.

    :ivar answers: The page's, and before it the redirects that led there.
    :ivar goes_round: Whether redirects lead to where they came from.
    :ivar elsewhere: Where the last answer leads, if that's another site.
    """

    answers: tuple[Answer, ...]
    goes_round: bool = False
    elsewhere: Address | None = None

    @property
    def last(self) -> Answer:
        """The page, if there's one."""
        return self.answers[-1]


@dataclasses.dataclass(frozen=True)
class Socket:
    """A WebSocket.

    :ivar answer: That to the handshake.
    :ivar fault: What is wrong with a 101.
    :ivar ponged: Whether a ping was answered.
    :ivar held: Seconds that it was left alone.
    :ivar cut: Whether it ended in that time.
    """

    answer: Answer
    fault: str = ""
    greeted: bool = False
    ponged: bool = False
    held: float = 0.0
    cut: bool = False

    @property
    def works(self) -> bool:
        """Whether messages pass in both directions."""
        return self.answer.status == 101 and not self.fault and self.greeted and self.ponged


@dataclasses.dataclass(frozen=True)
class Tunnelled:
    """A tunnel.

    :ivar opened: The answer to its opening.
    :ivar hold: Whether responses may wait.
    :ivar wait: How long, in seconds, a poll was to wait.
    :ivar streams: Whether a response came as it was sent.
    :ivar other: The answer to a request that was sent while another one waited.
    :ivar poll: The answer to a poll that was to wait.
    """

    opened: Answer
    hold: bool = True
    wait: float = 0.0
    streams: bool = False
    other: Answer | None = None
    poll: Answer | None = None

    def having(self, **seen: t.Any) -> Tunnelled:
        """Return it with more that was seen."""
        return dataclasses.replace(self, **seen)

    @property
    def is_open(self) -> bool:
        """Whether the gateway has opened it."""
        return self.opened.status == 200 and self.opened.is_gateways

    @property
    def passes_two(self) -> bool:
        """Whether two requests pass at a time."""
        return self.other is not None and self.other.status == 200

    @property
    def transport(self) -> str:
        """The best transport that worked, or ``""``."""
        if not self.is_open:
            return ""
        if not (self.hold and self.passes_two):
            return "short-poll"
        if self.streams:
            return "stream"
        return "long-poll" if self.poll is not None and self.poll.status == 200 else "short-poll"


@dataclasses.dataclass(frozen=True)
class Upload:
    """Uploads of several sizes.

    :ivar answers: Sizes in bytes, from the largest down to the first that passed, and the answers.
    """

    answers: tuple[tuple[int, Answer], ...]
