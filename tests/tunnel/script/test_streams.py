"""Positions in the streams, and the records of responses, in the page's script."""

from __future__ import annotations

import typing as t

import pytest
from playwright.sync_api import Browser, Page

from fluxsync.sansio import records

from .conftest import load_classes

pytestmark = pytest.mark.browser

DECODE = """([hex, size]) => {
  const bytes = Uint8Array.from(hex.match(/../g) ?? [], (digits) => parseInt(digits, 16));
  const decoder = new RecordDecoder();
  const found = [];
  try {
    for (let at = 0; at < bytes.length; at += size) {
      for (const { state, position, data } of decoder.push(bytes.subarray(at, at + size))) {
        if (state) {
          found.push([state.offset, state.received, state.total, state.words]);
        } else {
          found.push([position, ...data]);
        }
      }
    }
  } catch (error) {
    found.push(error.constructor.name);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def streams(browser: Browser) -> t.Iterator[Page]:
    """One page for all tests: the classes share nothing."""
    with browser.new_page() as page:
        load_classes(page, "Outgoing, Incoming, RecordDecoder, Lost", "frames.js", "streams.js")
        yield page


def decode(page: Page, data: bytes, size: int = 1000) -> t.Any:
    return page.evaluate(DECODE, [data.hex(), size])


def test_outgoing(streams: Page) -> None:
    found = streams.evaluate("""() => {
      const outgoing = new Outgoing();
      const read = (...where) => Array.from(outgoing.read(...where));
      const found = [[...read(0, 9), outgoing.total]];
      outgoing.append(Uint8Array.of(0, 1, 2));
      outgoing.append(Uint8Array.of(3));
      outgoing.append(Uint8Array.of(4, 5));
      found.push(read(0, 9), read(2, 3), read(4, 1), read(6, 9));
      outgoing.acknowledge(2);
      found.push(read(2, 2), outgoing.acknowledged);
      outgoing.acknowledge(4);
      outgoing.acknowledge(1);
      found.push(read(4, 9), outgoing.acknowledged);
      outgoing.acknowledge(6);
      outgoing.append(Uint8Array.of(6));
      found.push(read(6, 9), outgoing.total);
      return found;
    }""")

    assert found == [[0], [0, 1, 2, 3, 4, 5], [2, 3, 4], [4], [], [2, 3], 2, [4, 5], 4, [6], 7]


def test_acknowledgement_of_what_was_never_sent(streams: Page) -> None:
    assert streams.evaluate("""() => {
      try {
        new Outgoing().acknowledge(1);
      } catch (error) {
        return error instanceof Lost;
      }
    }""")


def test_incoming(streams: Page) -> None:
    found = streams.evaluate("""() => {
      const incoming = new Incoming();
      const accept = (position, ...bytes) => Array.from(
        incoming.accept(position, Uint8Array.from(bytes)),
      );
      const found = [accept(0, 0, 1), accept(0, 0, 1), accept(1, 1, 2, 3), accept(0, 0)];
      try {
        accept(5, 5);
      } catch (error) {
        found.push(error instanceof Lost);
      }
      return [...found, accept(4, 4), incoming.received];
    }""")

    assert found == [[0, 1], [], [2, 3], [], True, [4], 5]


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_records(streams: Page, size: int) -> None:
    parts = (
        records.encode_state(records.State(7, 3, 12)),
        records.encode_data(b"ab"),
        records.encode(0x55, b"of another version"),
        records.encode(0x55, b""),
        records.encode_data(b"c"),
        records.encode_state(records.State(20, 4, 30), "no-hold"),
        records.encode_data(b"d"),
    )

    found = decode(streams, b"".join(parts), size)

    data = {row[0] + at: byte for row in found for at, byte in enumerate(row[1:]) if len(row) < 4}
    assert [row for row in found if len(row) == 4] == [[7, 3, 12, []], [20, 4, 30, ["no-hold"]]]
    assert data == {7: 97, 8: 98, 9: 99, 20: 100}


def test_cut_response(streams: Page) -> None:
    data = records.encode_state(records.State(0, 0, 5)) + records.encode_data(b"abcde")

    assert decode(streams, data[:-2])[1:] == [[0, 97, 98, 99]]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"<!doctype html><title>Log in</title>", id="page"),
        pytest.param(records.encode_data(b"x"), id="data first"),
        pytest.param(records.encode(records.STATE, b""), id="empty state"),
        pytest.param(records.encode(records.STATE, b"1 2"), id="short state"),
        pytest.param(records.encode(records.STATE, b"1 2 -3"), id="negative state"),
        pytest.param(records.encode(records.STATE, b"1 2 " + b"3" * 300), id="long state"),
        pytest.param(bytes(2000), id="zeros"),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_foreign_response(streams: Page, data: bytes, size: int) -> None:
    assert decode(streams, data, size) == ["Lost"]
