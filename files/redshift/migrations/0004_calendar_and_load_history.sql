-- The days that a figure can be as of, and the objects that the loader has loaded.

CREATE TABLE concert_dw.calendar (
    as_of DATE NOT NULL,
    PRIMARY KEY (as_of)
)
DISTSTYLE ALL
SORTKEY (as_of);

COMMENT ON TABLE concert_dw.calendar IS 'Every day from 2015 to 2045, so that a view can be asked as of a day: WHERE as_of = CURRENT_DATE';

-- Five crossed digits number the days: generate_series does not reach a table in Redshift.
INSERT INTO concert_dw.calendar (as_of)
WITH digits AS (
    SELECT 0 AS digit
    UNION ALL SELECT 1
    UNION ALL SELECT 2
    UNION ALL SELECT 3
    UNION ALL SELECT 4
    UNION ALL SELECT 5
    UNION ALL SELECT 6
    UNION ALL SELECT 7
    UNION ALL SELECT 8
    UNION ALL SELECT 9
),

offsets AS (
    SELECT ones.digit + 10 * tens.digit + 100 * hundreds.digit + 1000 * thousands.digit + 10000 * myriads.digit AS days
    FROM digits AS ones
    CROSS JOIN digits AS tens
    CROSS JOIN digits AS hundreds
    CROSS JOIN digits AS thousands
    CROSS JOIN digits AS myriads
)

SELECT CAST('2015-01-01' AS DATE) + offsets.days
FROM offsets
WHERE offsets.days <= CAST('2045-12-31' AS DATE) - CAST('2015-01-01' AS DATE);

-- The planner has to know that a day is one row of many.
ANALYZE concert_dw.calendar;

CREATE TABLE concert_dw.load_history (
    object_key VARCHAR(1024) NOT NULL,
    data_type VARCHAR(32) NOT NULL,
    rows_loaded INTEGER NOT NULL,
    loaded_at TIMESTAMP NOT NULL DEFAULT GETDATE()
)
DISTSTYLE EVEN
COMPOUND SORTKEY (loaded_at);

COMMENT ON TABLE concert_dw.load_history IS 'One row per processed object that the loader has merged into a table';
