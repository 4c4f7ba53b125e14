"""Why a statement cannot run."""

from __future__ import annotations


class StatementError(Exception):
    """A statement failed; the message is what Redshift would put behind "ERROR: "."""


class Refused(StatementError):  # noqa: N818 - it reads as what happened: `raise Refused(...)`
    """A statement that Redshift would refuse, or that the embedded warehouse cannot translate faithfully."""
