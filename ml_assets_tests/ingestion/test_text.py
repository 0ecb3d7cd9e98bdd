import pytest

from ml_assets.errors import SourceError
from ml_assets.ingestion.text import line_at, text_kind

ANY_BLOCK = pytest.mark.parametrize("block_bytes", [1, 2, 3, 5, 1 << 20])


@pytest.fixture
def kind(tmp_path):
    def of(content, block_bytes):
        path = tmp_path / "a.csv"
        path.write_bytes(content)
        return tuple(text_kind(path, block_bytes=block_bytes))

    return of


@ANY_BLOCK
def test_knows_utf8(kind, block_bytes):
    assert kind("plain, \u00e9, \u20ac and \U0001f600".encode(), block_bytes) == ("utf-8", 0)


@ANY_BLOCK
def test_skips_the_mark_of_utf8(kind, block_bytes):
    assert kind("\u00e9".encode("utf-8-sig"), block_bytes) == ("utf-8", 3)


@ANY_BLOCK
@pytest.mark.parametrize("text", ["caf\u00e9", "\u201c\u20ac\u201d, then plain", "\u00fc" * 9])
def test_knows_cp1252(kind, block_bytes, text):
    assert kind(text.encode("cp1252"), block_bytes) == ("cp1252", 0)


def test_forgives_what_looks_like_utf8_among_much_that_does_not(kind):
    assert kind(("\u00fc " * 9 + "\u00c3\u00bc").encode("cp1252"), 1 << 20) == ("cp1252", 0)


@ANY_BLOCK
@pytest.mark.parametrize("damage", [b"\xe9", b"\xc3", b"\xf0\x9f"])
def test_refuses_damaged_utf8_and_names_the_line(kind, block_bytes, damage):
    content = "\u00e9\u00e9\n\u00e9\u00e9 \n".encode() * 3

    with pytest.raises(SourceError, match=f"damaged in line 7: the byte 0x{damage[:1].hex()}"):
        kind(content + damage, max(block_bytes, 64))


@ANY_BLOCK
def test_refuses_a_nul_and_names_the_line(kind, block_bytes):
    with pytest.raises(SourceError, match="NUL byte in line 3"):
        kind(b"a\n\xe9\n\0\n", block_bytes)


@ANY_BLOCK
def test_refuses_what_is_in_neither_encoding(kind, block_bytes):
    with pytest.raises(SourceError, match="neither UTF-8 nor cp1252: the byte 0x8d in line 2"):
        kind(b"\xe9\n\x8d\xe9\x81", block_bytes)


def test_counts_lines(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"ab\ncd\n\nef")

    assert [line_at(path, position) for position in (0, 2, 3, 6, 7)] == [1, 1, 2, 3, 4]
