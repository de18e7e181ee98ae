"""What they do is tested in the other modules here, each of which sends them."""

from __future__ import annotations

import json
import typing as t

import pytest

from fluxsync.bridges.links import Session
from fluxsync.sansio.exchanges import Ask, Opening
from fluxsync.tunnel.messages import Closing, Exchanging, Opened, Probing, decode, encode
from fluxsync.tunnel.registry import Claim

if t.TYPE_CHECKING:
    from fluxsync.tunnel.messages import Verb

CLAIM = Claim("tunnel", "browser")
VERBS: list[Verb] = [
    Probing("key", True),
    Opened(
        CLAIM,
        Opening(("streamlit", "token"), "stream", "websocket-refused"),
        Session("id", "r1", "192.0.2.1", "/_stcore/stream", "permessage-deflate"),
        is_new=True,
    ),
    Exchanging(CLAIM, Ask(1, 2, 3.5, 4, "long-poll")),
    Closing(CLAIM),
]


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: type(verb).__name__)
def test_verbs_survive_json(verb: Verb) -> None:
    decoded = decode(json.loads(json.dumps(encode(verb))))

    assert decoded == verb
    if isinstance(verb, Opened):
        assert isinstance(decoded, Opened)
        assert hash(decoded.opening.protocols) == hash(verb.opening.protocols)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({}, id="nothing"),
        pytest.param({**encode(VERBS[3]), "verb": "Renamed"}, id="unknown"),
        pytest.param({"verb": "Exchanging", "claim": {"id": "a", "browser": "b"}}, id="less"),
        pytest.param({**encode(VERBS[2]), "ask": [1, 2, 3]}, id="shorter"),
        pytest.param({**encode(VERBS[1]), "opening": ["a"]}, id="other opening"),
        pytest.param({**encode(VERBS[3]), "claim": {"id": "a", "user": "b"}}, id="other names"),
    ],
)
def test_of_another_version(data: dict[str, t.Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        decode(data)
