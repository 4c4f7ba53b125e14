"""What stands behind the location of a COPY or UNLOAD."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from local_aws.redshift.errors import Refused
from local_aws.redshift.lexer import Kind, Token, closing, split_commas

_MISSING_OPTION_VALUE = Token(Kind.SYMBOL, "")

MAX_ERRORS = 100_000
COMPRESSIONS = ("gzip", "bzip2", "zstd")
#: Formats of whole columns: COPY gives them no say in single rows.
COLUMNAR = ("parquet",)

# Options that change nothing here: statistics, compression of columns, where S3 is, how UNLOAD cuts its files.
IGNORED_WITH_VALUE = ("region", "encoding", "readratio", "comprows")
IGNORED_WITH_SIZE = ("maxfilesize", "rowgroupsize")
IGNORED_SWITCHES = ("compupdate", "statupdate")
# An explicit value for an IDENTITY column is what PostgreSQL's COPY takes anyway.
IGNORED_WORDS = ("explicit_ids",)
FLAGS = {
    "manifest": "manifest",
    "header": "header",
    "emptyasnull": "empty_as_null",
    "blanksasnull": "blanks_as_null",
    "truncatecolumns": "truncate",
    "trimblanks": "trim_blanks",
    "fillrecord": "fill_record",
    "ignoreblanklines": "ignore_blank_lines",
    "roundec": "round_decimals",
    "noload": "no_load",
    "escape": "escape",
    "removequotes": "remove_quotes",
    "addquotes": "add_quotes",
    "allowoverwrite": "allow_overwrite",
}
REFUSED = (
    "avro", "orc", "shapefile", "fixedwidth", "ssh", "lzop", "encrypted", "access_key_id", "secret_access_key",
    "session_token", "ignoreallerrors", "master_symmetric_key", "kms_key_id", "fixed", "cleanpath",
)  # fmt: skip


@dataclass
class Options:
    """The options of a COPY or UNLOAD, read."""

    role: str = ""
    format: str = "text"
    json_mode: str = "auto"
    compression: str = ""
    manifest: bool = False
    header_lines: int = 0
    header: bool = False
    delimiter: str = ""
    quote: str = '"'
    null: str | None = None
    time_format: str = ""
    date_format: str = ""
    empty_as_null: bool = False
    blanks_as_null: bool = False
    truncate: bool = False
    trim_blanks: bool = False
    fill_record: bool = False
    ignore_blank_lines: bool = False
    round_decimals: bool = False
    no_load: bool = False
    escape: bool = False
    remove_quotes: bool = False
    accept_invalid: str | None = None
    max_errors: int = 0
    add_quotes: bool = False
    allow_overwrite: bool = False
    parallel: bool = True
    extension: str = ""
    partition_by: tuple[str, ...] = ()
    partition_include: bool = False

    @classmethod
    def parse(cls, parts: Sequence[Token]) -> Options:
        """Read the options; raises Refused for one that is unknown or not supported."""
        options, reader = cls(), _Reader(parts)
        words = []
        while reader.more():
            words.append(reader.word())
            options._take(words[-1], reader)
        for word in words if options.format in COLUMNAR else ():
            if word in ("maxerror", "maxerrors", "ignoreheader", "delimiter", "null", "timeformat", "dateformat"):
                raise Refused(f"{word.upper()} argument is not supported for {options.format.upper()} based COPY")
        return options

    def _take(self, word: str, reader: _Reader) -> None:
        if word in FLAGS:
            setattr(self, FLAGS[word], True)
        elif word == "iam_role":
            self.role = reader.text()
        elif word in ("credentials", "with"):
            if word == "credentials":
                self.role = reader.text().removeprefix("aws_iam_role=")
        elif word == "format":
            reader.skip("as")
            self._format(reader.word(), reader)
        elif word in ("csv", "json", "parquet"):
            self._format(word, reader)
        elif word in COMPRESSIONS:
            self.compression = word
        elif word == "ignoreheader":
            reader.skip("as")
            self.header_lines = reader.number()
        elif word == "delimiter":
            reader.skip("as")
            self.delimiter = reader.text().replace("\\t", "\t")
        elif word == "quote":
            reader.skip("as")
            self.quote = reader.text()
        elif word == "null":
            reader.skip("as")
            self.null = reader.text()
        elif word in ("timeformat", "dateformat"):
            reader.skip("as")
            setattr(self, f"{word[:4]}_format", _moment_format(word, reader.text()))
        elif word == "acceptinvchars":
            reader.skip("as")
            self.accept_invalid = reader.text() if reader.at_string() else "?"
        elif word in ("maxerror", "maxerrors"):
            reader.skip("as")
            self.max_errors = reader.number()
            if self.max_errors > MAX_ERRORS:
                raise Refused(f"MAXERROR {self.max_errors} is more than {MAX_ERRORS}")
        elif word == "parallel":
            self.parallel = reader.switch()
        elif word == "extension":
            self.extension = reader.text()
        elif word == "partition":
            reader.skip("by")
            self.partition_by = reader.names()
            self.partition_include = reader.skip("include")
        elif word in IGNORED_WORDS:
            pass
        elif word in IGNORED_WITH_VALUE:
            reader.skip("as")
            reader.text()
        elif word in IGNORED_WITH_SIZE:
            reader.skip("as")
            reader.text()
            _ = reader.skip("mb") or reader.skip("gb")
        elif word in IGNORED_SWITCHES:
            reader.switch()
        elif word in REFUSED:
            raise Refused(f"{word.upper()} is not supported by the embedded Redshift")
        else:
            raise Refused(f'syntax error at or near "{word}" in the options of COPY or UNLOAD')

    def _format(self, word: str, reader: _Reader) -> None:
        if word not in ("csv", "json", "parquet"):
            raise Refused(f"FORMAT {word.upper()} is not supported by the embedded Redshift")
        self.format = word
        if word == "json":
            reader.skip("as")
            if reader.at_string():
                self.json_mode = reader.text()
                if self.json_mode not in ("auto", "auto ignorecase") and not self.json_mode.startswith("s3://"):
                    raise Refused(
                        "JSON needs 'auto', 'auto ignorecase' or the s3:// location of a JSONPaths file; "
                        f"'{self.json_mode}' is not supported here"
                    )


class _Reader:
    """Steps through the tokens of options."""

    def __init__(self, parts: Sequence[Token]) -> None:
        self._parts = list(parts)
        self._index = 0

    def more(self) -> bool:
        return self._index < len(self._parts)

    def _next(self) -> Token:
        token = self._parts[self._index] if self.more() else _MISSING_OPTION_VALUE
        self._index += 1
        return token

    def word(self) -> str:
        token = self._next()
        return token.word or token.text

    def at_string(self) -> bool:
        return self.more() and self._parts[self._index].kind is Kind.STRING

    def text(self) -> str:
        token = self._next()
        if token.kind is Kind.STRING:
            return token.value
        if token.kind in (Kind.WORD, Kind.NUMBER):
            return token.text.lower()
        raise Refused(f'syntax error at or near "{token.text}": a quoted value is expected')

    def number(self) -> int:
        token = self._next()
        if not token.text.isdigit():
            raise Refused(f'syntax error at or near "{token.text}": a number is expected')
        return int(token.text)

    def names(self) -> tuple[str, ...]:
        """A list of columns in parentheses."""
        if not self.more() or self._parts[self._index].text != "(":
            raise Refused("syntax error: a list of columns in parentheses is expected")
        end = closing(self._parts, self._index)
        inside = self._parts[self._index + 1 : end]
        self._index = end + 1
        return tuple(item[0].name for item in split_commas(inside))

    def switch(self) -> bool:
        if self.more() and self._parts[self._index].word in ("on", "off", "true", "false", "preset"):
            return self._next().word not in ("off", "false")
        return True

    def skip(self, word: str) -> bool:
        """Step over a word if it stands here; whether it did."""
        found = self.more() and self._parts[self._index].word == word
        self._index += found
        return found


def _moment_format(word: str, text: str) -> str:
    known = ("auto", "epochsecs", "epochmillisecs") if word == "timeformat" else ("auto", "YYYY-MM-DD")
    if text.lower() not in {name.lower() for name in known}:
        raise Refused(f"{word.upper()} '{text}' is not supported by the embedded Redshift; use {', '.join(known)}")
    return text.lower()
