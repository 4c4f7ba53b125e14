-- Loads of whole files: where they are staged, and what the history keeps of them.

CREATE SCHEMA concert_stage;

-- What the loader function writes leaves these empty: it loads each object once, by its key.
ALTER TABLE concert_dw.load_history ADD COLUMN load_id VARCHAR(64);

ALTER TABLE concert_dw.load_history ADD COLUMN checksum VARCHAR(128);

ALTER TABLE concert_dw.load_history ADD COLUMN file_format VARCHAR(16);

ALTER TABLE concert_dw.load_history ADD COLUMN rows_changed INTEGER;

ALTER TABLE concert_dw.load_history ADD COLUMN rows_rejected INTEGER;

ALTER TABLE concert_dw.load_history ADD COLUMN release VARCHAR(64);

ALTER TABLE concert_dw.load_history ADD COLUMN loaded_by VARCHAR(256);

COMMENT ON COLUMN concert_dw.load_history.checksum IS 'Of a file''s content: a file that the history holds is not loaded again';

COMMENT ON COLUMN concert_dw.load_history.rows_changed IS 'Rows that the load inserted or updated; the other rows of the file were in the table already';

COMMENT ON COLUMN concert_dw.load_history.rows_rejected IS 'Rows that were left out; load_rejections says which and why';

CREATE TABLE concert_dw.load_rejections (
    load_id VARCHAR(64) NOT NULL,
    line_number INTEGER,
    column_name VARCHAR(128),
    record_key VARCHAR(64),
    reason VARCHAR(512) NOT NULL
)
DISTSTYLE EVEN
COMPOUND SORTKEY (load_id, line_number);

COMMENT ON TABLE concert_dw.load_rejections IS 'Rows of loaded files that were left out, by load_id of load_history; line_number counts from 1, NULL where it is not known';

GRANT ALL ON TABLE concert_dw.load_rejections TO ROLE concert_admin;
