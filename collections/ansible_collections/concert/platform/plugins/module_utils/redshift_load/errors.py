"""Why a file is not loaded."""

from __future__ import annotations

from ..redshift.errors import WarehouseError


class LoadError(WarehouseError):
    """A file cannot be loaded; the message says which, why and what to do."""
