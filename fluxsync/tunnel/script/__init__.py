"""The page's half of the tunnel: sources of one classic script, in the order of their use."""

FILES = (
    "frames.js",
    "streams.js",
    "requests.js",
    "exchanges.js",
    "holding.js",
    "tunnel.js",
    "native.js",
    "probe.js",
    "ladder.js",
    "socket.js",
    "placement.js",
    "start.js",
)
