"""A file set's identity and its archive: both the same on every machine and every Python."""

from __future__ import annotations

import hashlib
import io
import zipfile

from ansible_collections.concert.platform.plugins.module_utils.packaging.fileset import FileSet

#: Hex digits of the hash in a key. 80 bits: no accidental collision, and keys stay readable.
HASH_DIGITS = 20

#: The earliest moment a zip can express, so that an archive never tells when it was made.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_REGULAR_FILE_0644 = 0o100644 << 16


def content_hash(files: FileSet) -> str:
    """The identity of `files`: `HASH_DIGITS` hex digits over sorted paths and contents.

    Both are length-prefixed, so that no two different file sets feed the hash the same bytes.
    """
    digest = hashlib.sha256()
    for path in sorted(files):
        for part in (path.encode(), files[path]):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.hexdigest()[:HASH_DIGITS]


def zip_bytes(files: FileSet) -> bytes:
    """`files` as a zip whose order, dates, modes and creator are fixed.

    Nothing is compressed: compressed bytes depend on the zlib build, and the largest package is under 5 MB as it is.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(path, _EPOCH)
            entry.create_system = _UNIX
            entry.external_attr = _REGULAR_FILE_0644
            archive.writestr(entry, files[path])
    return buffer.getvalue()
