from __future__ import annotations

import pytest

from fluxsync.diagnostics import uploads
from fluxsync.diagnostics.address import parse
from fluxsync.diagnostics.findings import Hop, Level
from fluxsync.diagnostics.observations import Answer, Trouble, Upload

HERE = parse("https://host/")
OURS = [("X-Request-Id", "a")]
MB = 1024 * 1024
PASSED = Answer(HERE, 400, OURS)
LIMIT = b"the request's body is larger than 9 bytes (gateway_max_proxy_request_body_bytes)\n"


@pytest.mark.parametrize(
    ("largest", "expected"),
    [
        (200 * MB, [200 * MB, 25 * MB, 5 * MB, MB // 2]),
        (25 * MB, [25 * MB, 5 * MB, MB // 2]),
        (1000, [1000]),
    ],
)
def test_sizes(largest: int, expected: list[int]) -> None:
    assert uploads.sizes(largest) == expected


@pytest.mark.parametrize(
    ("answers", "level", "hop", "words"),
    [
        pytest.param([(MB, PASSED)], Level.OK, None, "1 MB pass", id="Streamlit knows no session"),
        pytest.param(
            [(MB, Answer(HERE, 413, OURS, LIMIT)), (MB // 2, PASSED)],
            Level.WARNING,
            Hop.GATEWAY,
            "0.5 MB pass: the request's body is larger than 9 bytes (gateway_max_",
            id="our limit",
        ),
        pytest.param(
            [(MB, Answer(HERE, 413)), (MB // 2, Answer(HERE, 413))],
            Level.PROBLEM,
            Hop.PROXY,
            "The proxy refuses uploads of 1 MB: one answers 413",
            id="nothing passes",
        ),
        pytest.param(
            [(MB, Answer(HERE, trouble=Trouble.BROKEN, detail="reset")), (9, PASSED)],
            Level.PROBLEM,
            Hop.PROXY,
            "one fails: reset",
            id="reset",
        ),
        pytest.param(
            [(MB, Answer(HERE, trouble=Trouble.TIMEOUT, seconds=9))],
            Level.WARNING,
            Hop.PROXY,
            "doesn't answer within 9 s; a longer --timeout",
            id="slow",
        ),
        pytest.param(
            [(MB, Answer(HERE, 502))], Level.PROBLEM, Hop.PROXY, "answers 502", id="proxy's error"
        ),
    ],
)
def test_judge(
    answers: list[tuple[int, Answer]], level: Level, hop: Hop | None, words: str
) -> None:
    finding = uploads.judge(Upload(tuple(answers)))

    assert (finding.level, finding.hop) == (level, hop)
    assert words in finding.text
