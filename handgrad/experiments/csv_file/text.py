"""The characters of a file, whatever program wrote them: UTF-8, UTF-16, UTF-32 or Windows-1252."""

import codecs
from pathlib import Path

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16's
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
INVISIBLE = dict.fromkeys(map(ord, "\ufeff\u200b\u2060"))  # a byte order mark and spaces of no width
CONTROL = frozenset(map(chr, range(32))) - frozenset("\t\n\r\f\v")
ARCHIVES = {b"PK\x03\x04": "a ZIP archive, as .xlsx files are", b"\x1f\x8b": "compressed", b"%PDF": "a PDF file"}


def read_text(path: Path, content: bytes | None = None) -> tuple[str, list[str]]:
    """The text of a file, or of its `content`, and what was assumed. ValueError in one line where it is no text."""
    try:
        content = path.read_bytes() if content is None else content
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    for start, what in ARCHIVES.items():
        if content.startswith(start):
            raise ValueError(f"{path} is no text: it is {what}; save it as CSV in UTF-8")
    encoding = next((name for mark, name in MARKS if content.startswith(mark)), "") or _without_mark(content)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            raise ValueError(f"{path} is no text in {encoding.upper()} (byte {error.start})") from error
        text = _windows(path, content, error.start)
        encoding = "windows-1252"
    if "\0" in text:
        raise ValueError(f"{path} is no text (character {text.index(chr(0))} is NUL): save it as CSV in UTF-8")
    notes = [] if encoding.startswith("utf-8") else [f"read as {encoding.upper()}"]
    return text.translate(INVISIBLE), notes


def _without_mark(content: bytes) -> str:
    """UTF-16 has a zero in every second byte of plain text."""
    even, odd = content[:2000:2], content[1:2000:2]
    for encoding, zeros, others in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if 0 not in others and 2 * zeros.count(0) > len(zeros) > 1:
            return encoding
    return "utf-8"


def _windows(path: Path, content: bytes, bad: int) -> str:
    """Text that is no UTF-8, as Windows and older programs write it in western Europe."""
    text = content.decode("windows-1252", errors="replace")
    if CONTROL & set(text) or "\ufffd" in text:
        line = content.count(b"\n", 0, bad) + 1
        raise ValueError(f"{path} is no text (byte {bad}, line {line}): save it as CSV in UTF-8")
    return text
