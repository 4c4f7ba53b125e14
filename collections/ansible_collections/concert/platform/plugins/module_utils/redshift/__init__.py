"""Warehouse migrations: files and plan as pure data, the Redshift Data API as one edge."""
