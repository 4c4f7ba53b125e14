-- The warehouse's schema. Everything that the platform queries lives in it; the ledger of migrations does not.
CREATE SCHEMA IF NOT EXISTS concert_dw;
