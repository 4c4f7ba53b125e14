"""Loads of files into the warehouse's tables: what `concert.platform.redshift_load` does, apart from Ansible."""
