from __future__ import annotations

from urllib.parse import urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxsync.sansio.paths import (
    Target,
    is_under,
    normalize,
    normalize_mount,
    parse_target,
    relative_reference,
    target_from_path_info,
    without_root,
)

WORDS = st.text("abc:.-_~", min_size=1).filter(lambda word: word not in (".", ".."))
MOUNTS = st.lists(WORDS, max_size=3).map(lambda words: "".join(f"/{word}" for word in words))
PATHS = st.tuples(MOUNTS, st.sampled_from(["", "/"])).map("".join).map(lambda path: path or "/")
LATIN_1 = st.text(st.characters(max_codepoint=0xFF))
#: Dots and slashes, plain and encoded, in any order.
TRICKY = st.lists(st.sampled_from(["/", ".", "%2e", "%2F", "%25", "a"])).map("".join)


@pytest.mark.parametrize(
    ("raw", "target"),
    [
        pytest.param("/", Target("/"), id="root"),
        pytest.param("/a?", Target("/a", ""), id="empty query"),
        pytest.param("/a/b?c=d?e", Target("/a/b", "c=d?e"), id="query"),
        pytest.param("/a%2Fb//..", Target("/a%2Fb//.."), id="kept to the byte"),
        pytest.param("//a", Target("//a"), id="not a host"),
        pytest.param("http://h/a?b", Target("/a", "b"), id="absolute form"),
        pytest.param("HTTPS://h:1", Target("/"), id="absolute form without path"),
        pytest.param("http://h?b", Target("/", "b"), id="absolute form with only a query"),
        pytest.param("http://h?b=/c", Target("/", "b=/c"), id="absolute form, slash in query"),
        pytest.param("http://h/a?b=/c?d", Target("/a", "b=/c?d"), id="absolute form with all"),
        pytest.param("/\xe9?\xe9", Target("/%E9", "%E9"), id="bytes that aren't ASCII"),
        pytest.param("/a b?|%20", Target("/a%20b", "|%20"), id="only what must is encoded"),
        pytest.param("/\x7f", Target("/%7F"), id="control character"),
        pytest.param("/a#b?c#d", Target("/a%23b", "c%23d"), id="no fragment"),
    ],
)
def test_parse_target(raw: str, target: Target) -> None:
    assert parse_target(raw) == target


@pytest.mark.parametrize("raw", ["", "*", "a", "h:443", "ftp://h/a"])
def test_parse_target_refuses(raw: str) -> None:
    with pytest.raises(ValueError, match="is not a path"):
        parse_target(raw)


@given(LATIN_1, LATIN_1)
def test_a_target_is_always_fit_for_a_request_line(path: str, query: str) -> None:
    for target in (parse_target(f"/{path}?{query}"), target_from_path_info(f"/{path}", query)):
        assert str(target).isascii()
        assert str(target).isprintable()
        assert " " not in str(target)
        assert parse_target(str(target)) == target


@pytest.mark.parametrize(
    ("path_info", "query", "target"),
    [
        pytest.param("", "", "/", id="empty"),
        pytest.param("/a?b#c%d", "e=f", "/a%3Fb%23c%25d?e=f", id="decoded characters"),
        pytest.param("/\xc3\xa9:@", "", "/%C3%A9:@", id="bytes"),
    ],
)
def test_target_from_path_info(path_info: str, query: str, target: str) -> None:
    assert str(target_from_path_info(path_info, query)) == target


@given(LATIN_1)
def test_target_from_path_info_is_undone_by_decoding(text: str) -> None:
    path = f"/{text}".replace("/.", "/x")

    assert normalize(target_from_path_info(path, "").path) == path


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        pytest.param("/%61pi", "/api", id="encoded letter"),
        pytest.param("/x/../api", "/api", id="dot segments"),
        pytest.param("/x/%2e%2E%2fapi", "/api", id="encoded dot segments and slash"),
        pytest.param("/a/./b/.", "/a/b/", id="dot at the end"),
        pytest.param("/a/b/..", "/a/", id="two dots at the end"),
        pytest.param("/../..", "/", id="above the root"),
        pytest.param("/a/.b/...", "/a/.b/...", id="names with dots"),
        pytest.param("/api/fetch/http://h/", "/api/fetch/http://h/", id="repeated slashes"),
        pytest.param("/%2561", "/%61", id="decoded once only"),
        pytest.param("/%C3%A9", "/\xc3\xa9", id="bytes as latin-1"),
    ],
)
def test_normalize(raw: str, path: str) -> None:
    assert normalize(raw) == path


@given(TRICKY)
def test_normalize_leaves_no_dot_segments(raw: str) -> None:
    path = normalize(f"/{raw}")

    assert path.startswith("/")
    assert not {".", ".."} & set(path.split("/"))
    # Decoding once more would be another path; dot segments are gone for good.
    assert normalize(path.replace("%", "%25")) == path


@pytest.mark.parametrize(
    ("path", "mount"),
    [
        pytest.param("", "", id="empty"),
        pytest.param("/", "", id="root"),
        pytest.param("a", "/a", id="no slash"),
        pytest.param("/a/b/", "/a/b", id="slash at the end"),
        pytest.param("//evil.example/", "/evil.example", id="what could be a host"),
    ],
)
def test_normalize_mount(path: str, mount: str) -> None:
    assert normalize_mount(path) == mount


@pytest.mark.parametrize(
    "path",
    [
        "http://h/a",
        "/a?b",
        "/a#b",
        "/%61",
        "/a b",
        "/a\\b",
        "/a;Domain=b",
        "/proxy/{{port}}",
        "/<a>",
        "/a\r\nSet-Cookie: b",
        "/é",
        "/a//b",
        "/a/../b",
        "/.",
    ],
)
def test_normalize_mount_refuses(path: str) -> None:
    with pytest.raises(ValueError, match=r"is not a path|segment"):
        normalize_mount(path)


@pytest.mark.parametrize(
    ("path", "mount", "expected"),
    [
        pytest.param("/api", "/api", True, id="itself"),
        pytest.param("/api/", "/api", True, id="slash"),
        pytest.param("/apis", "/api", False, id="shared prefix"),
        pytest.param("/a", "/api", False, id="shorter"),
    ],
)
def test_is_under(path: str, mount: str, expected: bool) -> None:
    assert is_under(path, mount) is expected


@pytest.mark.parametrize(
    ("path", "root", "expected"),
    [
        pytest.param("/app/x", "/app", "/x", id="prefix there"),
        pytest.param("/app", "/app", "/", id="only the prefix"),
        pytest.param("/x", "/app", "/x", id="prefix stripped"),
        pytest.param("/apple", "/app", "/apple", id="shared prefix"),
        pytest.param("/x", "", "/x", id="no root"),
    ],
)
def test_without_root(path: str, root: str, expected: str) -> None:
    assert without_root(path, root) == expected


@given(MOUNTS, PATHS)
def test_without_root_undoes_joining(root: str, path: str) -> None:
    """Whatever is put under the root comes back out of it."""
    assert without_root(root + path, root) == path


@pytest.mark.parametrize(
    ("base", "path", "reference"),
    [
        pytest.param("/", "/", "./", id="root to itself"),
        pytest.param("/a", "/a", "a", id="page to itself"),
        pytest.param("/a/b", "/", "../", id="up to the root"),
        pytest.param("/a/", "/a", "../a", id="slash taken away"),
        pytest.param("/a", "/a/", "a/", id="slash added"),
        pytest.param("/a/b/c", "/a/d", "../d", id="sibling of the directory"),
        pytest.param("/a", "/b:c", "./b:c", id="colon isn't a scheme"),
        pytest.param("/a", "//evil.example", ".//evil.example", id="slashes aren't a host"),
        pytest.param("/a/b", "//evil.example", "..//evil.example", id="nor are they here"),
    ],
)
def test_relative_reference(base: str, path: str, reference: str) -> None:
    assert relative_reference(base, path) == reference


@given(MOUNTS, PATHS, PATHS)
def test_relative_reference_is_right_under_any_mount(mount: str, base: str, path: str) -> None:
    reference = relative_reference(base, path)

    page = f"http://h{mount}{base}"
    assert urljoin(page, reference) == f"http://h{mount}{path}"
