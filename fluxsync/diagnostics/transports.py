"""Decide on what carries messages: WebSocket, and what there is without. No I/O."""

from __future__ import annotations

import re
import typing as t

from . import remedies
from .arrivals import describe, said
from .findings import Finding, Hop, Level, ok, problem, warning
from .observations import Trouble

if t.TYPE_CHECKING:
    from .address import Address
    from .observations import Answer, Socket, Tunnelled

#: The gateway pings browsers after so many seconds of silence, and its polls wait as long.
SILENCE = 20.0

_FOREIGN = re.compile(r"(\S+) may not use (\S+): ")


def judge(socket: Socket, tunnel: Tunnelled, site: Address) -> list[Finding]:
    """Return whether pages get a connection, and how good it is."""
    host = _judge_host(socket, tunnel, site)
    if host.level is Level.PROBLEM:
        return [host]
    silence = _judge_silence(socket)
    return [
        host,
        _judge_websocket(socket, tunnel),
        *([silence] if silence is not None else []),
        *_judge_tunnel(tunnel, needed=not socket.works),
    ]


def _judge_host(socket: Socket, tunnel: Tunnelled, site: Address) -> Finding:
    """Return whether the gateway takes its own pages for its own."""
    origin, authority = site.origin, site.authority
    for answer in (tunnel.opened, socket.answer):
        foreign = _FOREIGN.search(said(answer)) if answer.status == 403 else None
        if foreign:
            text = (
                f"The gateway sees the Host {foreign[2]} instead of {authority}, so it takes its "
                f"own pages ({origin}) for foreign ones: no page gets a connection."
            )
            settings = (f"or, in fluxsync: FLUXSYNC_PUBLIC_BASE_URL={origin}",)
            remedy = remedies.write("host", answer.get("server"), *settings)
            return problem("host", Hop.PROXY, text, remedy)
    return ok("host", "the gateway takes the site's pages for its own")


def _judge_websocket(socket: Socket, tunnel: Tunnelled) -> Finding:
    """Return whether a WebSocket works, and what pages do else."""
    if socket.works:
        return ok("websocket", f"opens in {socket.answer.seconds:.2f} s, messages pass both ways")
    answer, server = socket.answer, socket.answer.get("server")
    remedy: tuple[str, ...] = remedies.write("upgrade", server)
    hop = Hop.PROXY
    if answer.status == 101:
        text = f"It opens, and {_what_is_lost(socket)}: something between swallows it."
        remedy = ("In what is between: let WebSockets through unchanged, or refuse them.",)
    elif answer.is_gateways and answer.status == 400:
        text = f"The proxy passes only half of the upgrade on: {said(answer)}."
    elif answer.is_gateways and answer.status == 501:
        text, hop = f"The WSGI server has none: {said(answer)}.", Hop.GATEWAY
        remedy = ("gunicorn, for one, has.",)
    elif answer.is_gateways and answer.status >= 400:
        text, remedy = f"It {describe(answer)}.", ()
        hop = Hop.STREAMLIT if answer.status in (502, 504) else Hop.GATEWAY
    elif answer.status in (200, 400, 404, 426) and answer.trouble is None:
        text = f"The proxy doesn't pass WebSocket upgrades on: the handshake {describe(answer)}."
    else:
        text = f"The handshake {describe(answer)}."
    if not tunnel.transport:
        return problem("websocket", hop, text, remedy)
    text += f" Pages work over {tunnel.transport} meanwhile."
    return warning("websocket", hop, text, remedy)


def _judge_silence(socket: Socket) -> Finding | None:
    """Return whether a WebSocket on which nothing happens stays open."""
    if not socket.works:
        return None
    if socket.cut:
        text = (
            f"A WebSocket is cut after {socket.held:.1f} s of silence, so that idle pages lose "
            f"theirs again and again: the gateway sends something every {SILENCE:.0f} s."
        )
        remedy = remedies.write("timeout", socket.answer.get("server"))
        return problem("silence", Hop.PROXY, text, remedy)
    more = "" if socket.held > SILENCE else " (a longer --patience sees more)"
    return ok("silence", f"a silent WebSocket stays open for {socket.held:.0f} s{more}")


def _judge_tunnel(tunnel: Tunnelled, *, needed: bool) -> list[Finding]:
    """Return what pages have without WebSockets.

    :param needed: Whether they need it, as they have none.
    """
    opened, server = tunnel.opened, tunnel.opened.get("server")
    bad = problem if needed else warning
    if not tunnel.is_open:
        hop = Hop.GATEWAY if opened.is_gateways else Hop.PROXY
        text = f"Pages without WebSockets get no connection: the opening {describe(opened)}."
        remedy = () if opened.is_gateways else remedies.write("path", server)
        return [bad("tunnel", hop, text, remedy)]
    if not tunnel.hold:
        text = "works, by short polls: the WSGI server doesn't show its connections"
        return [ok("tunnel", text)]
    if not tunnel.passes_two:
        text = (
            "One request passes at a time: while one waits, another "
            f"{describe(t.cast('Answer', tunnel.other))}. Pages poll in short intervals."
        )
        return [warning("tunnel", Hop.PROXY, text, remedies.write("two", server))]
    return [_streaming(tunnel, server), *_polling(tunnel, server, needed=needed)]


def _streaming(tunnel: Tunnelled, server: str) -> Finding:
    if tunnel.streams:
        return ok("streaming", "responses come as they're sent")
    text = (
        "Responses come as a whole only: a proxy collects them. Pages without WebSockets use "
        "long polls; server-sent events of the API come late."
    )
    answers = (tunnel.opened, tunnel.other, tunnel.poll)
    if any(answer is not None and answer.get("content-encoding") for answer in answers):
        remedy = ("In the proxy: don't compress application/octet-stream.",)
        return warning("streaming", Hop.PROXY, text, remedy)
    return warning("streaming", Hop.PROXY, text, remedies.write("buffering", server))


def _polling(tunnel: Tunnelled, server: str, *, needed: bool) -> list[Finding]:
    poll = tunnel.poll
    if poll is None:
        return []
    if poll.status == 200 and poll.trouble is None and poll.is_gateways:
        more = "" if poll.seconds + 1 >= SILENCE else " (a longer --patience sees more)"
        return [ok("long poll", f"answered after {poll.seconds:.0f} s{more}")]
    how = describe(poll)
    if poll.trouble is None or poll.trouble is Trouble.BROKEN:
        how += f" after {poll.seconds:.1f} s"
    text = (
        f"A request that waits {how}; the gateway lets some wait for {SILENCE:.0f} s "
        "(gateway_tunnel_wait_s)."
    )
    wait = max(1, int(poll.seconds) - 1)
    settings = (f"or, in fluxsync: FLUXSYNC_GATEWAY_TUNNEL_WAIT_S={wait}",)
    remedy = remedies.write("timeout", server, *settings)
    return [(problem if needed else warning)("long poll", Hop.PROXY, text, remedy)]


def _what_is_lost(socket: Socket) -> str:
    if socket.fault:
        return socket.fault
    if not socket.greeted:
        return "what the gateway sends doesn't come"
    return "what the browser sends isn't answered"
