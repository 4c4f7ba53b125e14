"""Redshift's views on who may do what, over PostgreSQL's catalog. Only the columns that PostgreSQL has an answer for.

As on Redshift, the owner's own rights are not listed. A role that can sign in is a user, another one a role.
"""

from __future__ import annotations

_IDENTITY = """
    x.grantee AS identity_id,
    coalesce(r.rolname::text, 'public') AS identity_name,
    CASE WHEN x.grantee = 0 THEN 'public' WHEN r.rolcanlogin THEN 'user' ELSE 'role' END AS identity_type,
    x.is_grantable AS admin_option
"""

SETUP = f"""
CREATE VIEW pg_catalog.svv_relation_privileges AS
    SELECT n.nspname::text AS namespace_name, c.relname::text AS relation_name, x.privilege_type::text, {_IDENTITY}
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) x
    LEFT JOIN pg_roles r ON r.oid = x.grantee WHERE c.relkind IN ('r', 'v', 'm') AND x.grantee <> c.relowner;
CREATE VIEW pg_catalog.svv_function_privileges AS
    SELECT n.nspname::text AS namespace_name, p.proname::text AS function_name,
    oidvectortypes(p.proargtypes) AS argument_types, x.privilege_type::text, {_IDENTITY}
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace, aclexplode(p.proacl) x
    LEFT JOIN pg_roles r ON r.oid = x.grantee WHERE x.grantee <> p.proowner;
CREATE VIEW pg_catalog.svv_schema_privileges AS
    SELECT n.nspname::text AS namespace_name, x.privilege_type::text, {_IDENTITY}
    FROM pg_namespace n, aclexplode(n.nspacl) x
    LEFT JOIN pg_roles r ON r.oid = x.grantee WHERE x.grantee <> n.nspowner;
CREATE VIEW pg_catalog.svv_roles AS
    SELECT oid AS role_id, rolname::text AS role_name FROM pg_roles WHERE NOT rolcanlogin AND rolname NOT LIKE 'pg\\_%';
CREATE VIEW pg_catalog.svv_user_grants AS
    SELECT u.oid AS user_id, u.rolname::text AS user_name, r.oid AS role_id, r.rolname::text AS role_name,
    m.admin_option FROM pg_auth_members m JOIN pg_roles u ON u.oid = m.member JOIN pg_roles r ON r.oid = m.roleid
    WHERE u.rolcanlogin AND NOT r.rolcanlogin;
GRANT SELECT ON pg_catalog.svv_relation_privileges, pg_catalog.svv_function_privileges,
    pg_catalog.svv_schema_privileges, pg_catalog.svv_roles, pg_catalog.svv_user_grants TO PUBLIC;
"""  # noqa: S608 - this file's constants only
