-- Who may do what, whole: everything is revoked, then granted by name, in one transaction, so nobody sees a gap.
-- A table or view that is not named here belongs to nobody but the admin; a new one is entered here by its migration.
-- Roles and the functions' users are made by 0007_access.sql. Each user holds one role and nothing of its own.

REVOKE ALL ON ALL TABLES IN SCHEMA concert_dw FROM ROLE concert_reader;

REVOKE ALL ON ALL TABLES IN SCHEMA concert_dw FROM ROLE concert_loader;

REVOKE ALL ON ALL TABLES IN SCHEMA concert_dw FROM ROLE concert_admin;

-- A routine runs with its caller's rights, so this only makes the refusal plain.
REVOKE EXECUTE ON ALL PROCEDURES IN SCHEMA concert_dw FROM public;

-- The API's functions, and people who look: the tables of the platform and the views over them.
GRANT USAGE ON SCHEMA concert_dw TO ROLE concert_reader;

GRANT SELECT ON TABLE
concert_dw.artists, concert_dw.venues, concert_dw.concerts, concert_dw.ticket_sales, concert_dw.calendar,
concert_dw.venue_popularity, concert_dw.artist_performance, concert_dw.daily_sales_summary,
concert_dw.v_period_concerts, concert_dw.v_venue_popularity, concert_dw.v_artist_performance,
concert_dw.v_daily_sales_summary, concert_dw.v_upcoming_concerts, concert_dw.v_concert_history
TO ROLE concert_reader;

-- The loader: what it merges into, and its own history.
GRANT USAGE ON SCHEMA concert_dw TO ROLE concert_loader;

GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE
concert_dw.artists, concert_dw.venues, concert_dw.concerts, concert_dw.ticket_sales, concert_dw.load_history
TO ROLE concert_loader;

-- People who run the warehouse: everything in it, and the routines. The ledger is not theirs.
GRANT USAGE, CREATE ON SCHEMA concert_dw TO ROLE concert_admin;

GRANT ALL ON ALL TABLES IN SCHEMA concert_dw TO ROLE concert_admin;

GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA concert_dw TO ROLE concert_admin;
