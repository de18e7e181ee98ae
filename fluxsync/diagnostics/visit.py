"""Visit a site as a browser does, and tell what is wrong with it."""

from __future__ import annotations

import secrets
import typing as t

from . import arrivals, hops, services, transports, tunnel, uploads, websocket
from .client import Client
from .observations import Answer, Arrival, Upload

if t.TYPE_CHECKING:
    from .address import Address
    from .client import Options
    from .findings import Finding

#: As many redirects as browsers follow would take too long.
_MOST_REDIRECTS = 5
#: Bytes per second of the slowest connection by which an upload is waited for.
_SLOWEST = 512 * 1024
_PAGE = [
    ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
    ("Accept-Encoding", "gzip"),
    ("Sec-Fetch-Mode", "navigate"),
]


def visit(address: Address, options: Options) -> t.Iterator[Finding]:
    """Look at a site, and yield what there is to say, in the order of the visit.

    :param address: What people open: the application's root, or one of its pages.
    :raise OSError: The file of certificates can't be used.
    """
    client = Client(options)
    arrival = _arrive(client, address)
    finding, goes_on = arrivals.judge(arrival)
    yield finding
    if not goes_on:
        return
    page = arrival.last
    mount, healthz = _find_mount(client, arrival)
    if not services.is_fluxsync(healthz):
        known = arrivals.judge_mount(page, _mount_seen(arrival), is_ours=False)
        if known is not None:
            yield known
        elif finding.check != "path":
            yield services.judge_foreign(page, client.get(mount.under("_stcore/health")))
        return
    yield from _around(client, mount, arrival, healthz)
    if page.is_streamlits_page:
        yield from _within(client, mount, arrival)


def _around(
    client: Client, mount: Address, arrival: Arrival, healthz: Answer
) -> t.Iterator[Finding]:
    """Look at what answers whether or not Streamlit does."""
    known = arrivals.judge_mount(arrival.last, mount, is_ours=True)
    if known is not None:
        yield known
    if mount.path != "/":
        bare = client.get(mount._replace(target=mount.path.rstrip("/")), _PAGE)
        known = arrivals.judge_bare_mount(mount, bare)
        if known is not None:
            yield known
    yield services.judge_health(healthz, client.get(mount.under("readyz")))
    for path in ("metrics", "debug"):
        answer = client.get(mount.under(f"__fluxsync/{path}"))
        yield from _known(services.judge_operations(path, answer, is_near=client.options.is_near))


def _within(client: Client, mount: Address, arrival: Arrival) -> t.Iterator[Finding]:
    """Look at what the page uses."""
    page = arrival.last
    yield services.judge_script(page)
    file = page.script_file.removeprefix("./")
    asset = client.get(mount.under(file), [("Accept-Encoding", "gzip, br")])
    yield services.judge_asset(asset)
    health = client.get(mount.under("_stcore/health"))
    yield services.judge_streamlit(health, client.get(mount.under("_stcore/host-config")))
    yield hops.judge_headers([page, health, *([asset] if asset.status == 200 else [])])
    yield hops.judge_cookies(mount, [page, health])
    redirect = client.get(mount.under("fluxsync-doctor/"), _PAGE)
    yield from _known(hops.judge_scheme(mount, page), hops.judge_redirect(mount, redirect))
    yield from _messages(client, mount, page)
    yield uploads.judge(_upload(client, mount))


def _messages(client: Client, mount: Address, page: Answer) -> t.Iterator[Finding]:
    with tunnel.Watch(client, mount, page.seconds) as watch:
        socket = websocket.watch(client, mount.under("_stcore/stream"))
        tunnelled = watch.finish()
    yield from transports.judge(socket, tunnelled, mount)


def _known(*findings: Finding | None) -> t.Iterator[Finding]:
    return (finding for finding in findings if finding is not None)


def _arrive(client: Client, address: Address) -> Arrival:
    """Open the page, and follow redirects within the site."""
    answers: list[Answer] = []
    seen = set()
    while True:
        seen.add(address)
        answers.append(client.get(address, _PAGE))
        there = None
        if 300 <= answers[-1].status < 400:
            there = address.join(answers[-1].get("location"))
        if there is None:
            return Arrival(tuple(answers))
        secured = (address.scheme, there.scheme) == ("http", "https")
        if there.origin != address.origin and not (there.host == address.host and secured):
            # Header fields with passwords are for this site, and aren't to go by http.
            return Arrival(tuple(answers), elsewhere=there)
        if there in seen or len(answers) > _MOST_REDIRECTS:
            return Arrival(tuple(answers), goes_round=True)
        address = there


def _mount_seen(arrival: Arrival) -> Address | None:
    """Return where the application is, worked out as fluxsync's script does."""
    address, seen = arrival.last.address, arrival.last.seen_path
    if seen is None or not address.path.endswith(seen):
        return None
    return address._replace(target=f"{address.path[: -len(seen)]}/")


def _find_mount(client: Client, arrival: Arrival) -> tuple[Address, Answer]:
    """Return where the application is, and the answer of its ``/healthz``."""
    address = arrival.last.address
    path = address.path if address.path.endswith("/") else f"{address.path}/"
    mount = _mount_seen(arrival) or address._replace(target=path)
    return mount, client.get(mount.under("healthz"))


def _upload(client: Client, mount: Address) -> Upload:
    """Upload files, smaller and smaller until one passes, to a session that isn't there."""
    answers = []
    for size in uploads.sizes(client.options.upload):
        answer = _put(client, mount, size)
        answers.append((size, answer))
        if not uploads.is_refused(answer):
            break
    return Upload(tuple(answers))


def _put(client: Client, mount: Address, size: int) -> Answer:
    boundary = secrets.token_hex(16)
    before = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="doctor.bin"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    body = before.encode() + bytes(size) + f"\r\n--{boundary}--\r\n".encode()
    fields = [
        ("Origin", mount.origin),
        ("Content-Type", f"multipart/form-data; boundary={boundary}"),
        ("X-Xsrftoken", client.cookie("_streamlit_xsrf")),
    ]
    there = mount.under("_stcore/upload_file/fluxsync-doctor/fluxsync-doctor")
    timeout = client.options.timeout + size / _SLOWEST
    return client.request("PUT", there, fields, body, timeout)
