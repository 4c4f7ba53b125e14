-- What each column means, of the tables that loads keep.

COMMENT ON COLUMN concert_dw.load_history.object_key IS 'Key of the loaded object in its bucket';

COMMENT ON COLUMN concert_dw.load_history.data_type IS 'artists, venues, concerts or ticket_sales';

COMMENT ON COLUMN concert_dw.load_history.rows_loaded IS 'Rows of the object that reached the table';

COMMENT ON COLUMN concert_dw.load_history.loaded_at IS 'UTC moment of the load';

COMMENT ON COLUMN concert_dw.load_history.load_id IS 'Key of a load of a file; NULL for what the loader function loads';

COMMENT ON COLUMN concert_dw.load_history.checksum IS 'Of a file''s content: a file that the history holds is not loaded again';

COMMENT ON COLUMN concert_dw.load_history.file_format IS 'csv, jsonl or parquet';

COMMENT ON COLUMN concert_dw.load_history.rows_changed IS 'Rows that the load inserted or updated; the other rows of the file were in the table already';

COMMENT ON COLUMN concert_dw.load_history.rows_rejected IS 'Rows that were left out; load_rejections says which and why';

COMMENT ON COLUMN concert_dw.load_history.release IS 'Release of the platform that loaded the file';

COMMENT ON COLUMN concert_dw.load_history.loaded_by IS 'Who loaded the file: user@host';

COMMENT ON COLUMN concert_dw.load_rejections.load_id IS 'Load of load_history that left the row out';

COMMENT ON COLUMN concert_dw.load_rejections.line_number IS 'Line of the file, from 1; NULL where it is not known';

COMMENT ON COLUMN concert_dw.load_rejections.column_name IS 'Column whose value is at fault; NULL when it is the row as a whole';

COMMENT ON COLUMN concert_dw.load_rejections.record_key IS 'Key of the row, where it has one';

COMMENT ON COLUMN concert_dw.load_rejections.reason IS 'The rule that the row breaks, or the message of COPY';
