"""Documentation of the options by which a plugin finds the warehouse."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  workgroup:
    description: Name of the warehouse's workgroup.
    type: str
    required: true
  namespace:
    description: Name of the workgroup's namespace.
    type: str
    required: true
  database:
    description: Name of the database.
    type: str
    required: true
"""
