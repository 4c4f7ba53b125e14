"""What Redshift has and PostgreSQL lacks, created in each database: functions, and the aggregate AVG."""

from __future__ import annotations

# Functions live in pg_catalog, where no search_path hides them. AVG, which PostgreSQL has with another meaning for
# integers, lives in the schema `redshift`; the translation calls it there.
SETUP = """
SET allow_system_table_mods = on;
CREATE SCHEMA redshift;
GRANT USAGE ON SCHEMA redshift TO PUBLIC;
GRANT CREATE, USAGE ON SCHEMA public TO PUBLIC;

CREATE FUNCTION pg_catalog.getdate() RETURNS timestamp STABLE LANGUAGE sql
    AS $$ SELECT date_trunc('second', statement_timestamp() AT TIME ZONE 'UTC') $$;
CREATE FUNCTION pg_catalog.sysdate() RETURNS timestamp STABLE LANGUAGE sql
    AS $$ SELECT transaction_timestamp() AT TIME ZONE 'UTC' $$;
CREATE FUNCTION pg_catalog.len(text) RETURNS integer IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT length($1) $$;
CREATE FUNCTION pg_catalog.charindex(text, text) RETURNS integer IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT strpos($2, $1) $$;
CREATE FUNCTION pg_catalog.trunc(timestamp) RETURNS date IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT $1::date $$;
CREATE FUNCTION pg_catalog.trunc(double precision, integer) RETURNS double precision IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT trunc($1::numeric, $2)::double precision $$;
CREATE FUNCTION pg_catalog.round(double precision, integer) RETURNS double precision IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT round($1::numeric, $2)::double precision $$;
CREATE FUNCTION pg_catalog.last_day(timestamp) RETURNS date IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT (date_trunc('month', $1) + interval '1 month - 1 day')::date $$;
CREATE FUNCTION pg_catalog.add_months(timestamp, integer) RETURNS timestamp IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT CASE WHEN $1::date = last_day($1)
          THEN last_day($1 + make_interval(months => $2)) + $1::time ELSE $1 + make_interval(months => $2) END $$;
CREATE FUNCTION pg_catalog.months_between(timestamp, timestamp) RETURNS double precision IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT (extract(year FROM $1) - extract(year FROM $2)) * 12 + extract(month FROM $1) - extract(month FROM $2)
          + CASE WHEN extract(day FROM $1) = extract(day FROM $2)
                   OR ($1::date = last_day($1) AND $2::date = last_day($2)) THEN 0
                 ELSE (extract(day FROM $1) - extract(day FROM $2)) / 31.0 END $$;
CREATE FUNCTION pg_catalog.date_part_year(date) RETURNS integer IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT extract(year FROM $1)::integer $$;

CREATE FUNCTION redshift.part(text) RETURNS text IMMUTABLE STRICT LANGUAGE sql AS $$
    SELECT CASE
        WHEN $1 IN ('year', 'years', 'y', 'yr', 'yrs') THEN 'year'
        WHEN $1 IN ('quarter', 'quarters', 'qtr', 'qtrs') THEN 'quarter'
        WHEN $1 IN ('month', 'months', 'mon', 'mons') THEN 'month'
        WHEN $1 IN ('week', 'weeks', 'w') THEN 'week'
        WHEN $1 IN ('day', 'days', 'd', 'dow', 'dayofweek', 'weekday', 'doy', 'dayofyear', 'yearday', 'dy') THEN 'day'
        WHEN $1 IN ('hour', 'hours', 'h', 'hr', 'hrs') THEN 'hour'
        WHEN $1 IN ('minute', 'minutes', 'm', 'min', 'mins') THEN 'minute'
        WHEN $1 IN ('second', 'seconds', 's', 'sec', 'secs') THEN 'second'
        WHEN $1 LIKE 'millisec%' OR $1 IN ('ms', 'msec', 'msecs', 'msecond', 'mseconds') THEN 'milliseconds'
        WHEN $1 LIKE 'microsec%' OR $1 IN ('us', 'usec', 'usecs', 'usecond', 'useconds') THEN 'microseconds'
        WHEN $1 IN ('decade', 'decades', 'dec', 'decs') THEN 'decade'
        WHEN $1 IN ('century', 'centuries', 'c', 'cent', 'cents') THEN 'century'
        ELSE $1 END $$;
CREATE FUNCTION redshift.span(text, bigint) RETURNS interval IMMUTABLE STRICT LANGUAGE sql AS $$
    SELECT CASE redshift.part($1)
        WHEN 'quarter' THEN make_interval(months => ($2 * 3)::integer)
        WHEN 'milliseconds' THEN make_interval(secs => $2 / 1000.0)
        WHEN 'microseconds' THEN make_interval(secs => $2 / 1000000.0)
        ELSE ($2::text || ' ' || redshift.part($1))::interval END $$;
CREATE FUNCTION redshift.months_of(text) RETURNS bigint IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT CASE redshift.part($1) WHEN 'month' THEN 1 WHEN 'quarter' THEN 3 ELSE 12 END $$;
CREATE FUNCTION pg_catalog.dateadd(text, bigint, timestamp) RETURNS timestamp IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT CASE WHEN redshift.part($1) IN ('month', 'quarter', 'year')
          THEN add_months($3, ($2 * redshift.months_of($1))::integer)
          ELSE $3 + redshift.span($1, $2) END $$;
CREATE FUNCTION pg_catalog.dateadd(text, bigint, date) RETURNS timestamp IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT dateadd($1, $2, $3::timestamp) $$;
CREATE FUNCTION pg_catalog.dateadd(text, bigint, timestamptz) RETURNS timestamptz STABLE STRICT LANGUAGE sql
    AS $$ SELECT $3 + redshift.span($1, $2) $$;
CREATE FUNCTION pg_catalog.dateadd(text, bigint, text) RETURNS timestamp IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT dateadd($1, $2, $3::timestamp) $$;

CREATE FUNCTION redshift.months(timestamp) RETURNS bigint IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT (extract(year FROM $1) * 12 + extract(month FROM $1) - 1)::bigint $$;
-- Redshift counts the boundaries between two moments; its weeks begin on Sunday.
CREATE FUNCTION pg_catalog.datediff(text, timestamp, timestamp) RETURNS bigint IMMUTABLE STRICT LANGUAGE sql AS $$
    SELECT CASE redshift.part($1)
        WHEN 'year' THEN (extract(year FROM $3) - extract(year FROM $2))::bigint
        WHEN 'decade' THEN (extract(decade FROM $3) - extract(decade FROM $2))::bigint
        WHEN 'century' THEN (extract(century FROM $3) - extract(century FROM $2))::bigint
        WHEN 'quarter' THEN redshift.months($3) / 3 - redshift.months($2) / 3
        WHEN 'month' THEN redshift.months($3) - redshift.months($2)
        WHEN 'week' THEN (($3::date - extract(dow FROM $3)::integer) - ($2::date - extract(dow FROM $2)::integer)) / 7
        WHEN 'day' THEN ($3::date - $2::date)::bigint
        WHEN 'hour' THEN (extract(epoch FROM date_trunc('hour', $3) - date_trunc('hour', $2)) / 3600)::bigint
        WHEN 'minute' THEN (extract(epoch FROM date_trunc('minute', $3) - date_trunc('minute', $2)) / 60)::bigint
        WHEN 'second' THEN extract(epoch FROM date_trunc('second', $3) - date_trunc('second', $2))::bigint
        WHEN 'milliseconds' THEN
            (extract(epoch FROM date_trunc('milliseconds', $3) - date_trunc('milliseconds', $2)) * 1000)::bigint
        WHEN 'microseconds' THEN (extract(epoch FROM $3 - $2) * 1000000)::bigint
    END $$;
CREATE FUNCTION pg_catalog.datediff(text, timestamptz, timestamptz) RETURNS bigint STABLE STRICT LANGUAGE sql
    AS $$ SELECT datediff($1, $2 AT TIME ZONE 'UTC', $3 AT TIME ZONE 'UTC') $$;
CREATE FUNCTION pg_catalog.convert_timezone(text, text, timestamp) RETURNS timestamp IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT ($3 AT TIME ZONE $1) AT TIME ZONE $2 $$;
CREATE FUNCTION pg_catalog.convert_timezone(text, timestamp) RETURNS timestamp IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT ($2 AT TIME ZONE 'UTC') AT TIME ZONE $1 $$;

CREATE FUNCTION pg_catalog.json_parse(text) RETURNS jsonb IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT $1::jsonb $$;
CREATE FUNCTION pg_catalog.json_serialize(jsonb) RETURNS text IMMUTABLE STRICT LANGUAGE sql AS $$ SELECT $1::text $$;
CREATE FUNCTION pg_catalog.is_valid_json(text) RETURNS boolean IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT $1 IS JSON OBJECT $$;
CREATE FUNCTION pg_catalog.is_valid_json_array(text) RETURNS boolean IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT $1 IS JSON ARRAY $$;
CREATE FUNCTION pg_catalog.json_extract_path_text(text, VARIADIC text[]) RETURNS text IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT coalesce(jsonb_extract_path_text($1::jsonb, VARIADIC $2), '') $$;
CREATE FUNCTION pg_catalog.json_array_length(text) RETURNS integer IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT jsonb_array_length($1::jsonb) $$;
CREATE FUNCTION pg_catalog.json_extract_array_element_text(text, integer) RETURNS text IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT $1::jsonb ->> $2 $$;
CREATE FUNCTION pg_catalog.sha2(text, integer) RETURNS text IMMUTABLE STRICT LANGUAGE sql
    AS $$ SELECT encode(CASE $2 WHEN 224 THEN sha224($1::bytea) WHEN 384 THEN sha384($1::bytea)
          WHEN 512 THEN sha512($1::bytea) ELSE sha256($1::bytea) END, 'hex') $$;
CREATE FUNCTION pg_catalog.strtol(text, integer) RETURNS bigint IMMUTABLE STRICT LANGUAGE plpgsql AS $$
DECLARE result bigint := 0; digit integer;
BEGIN
    FOR i IN 1..length($1) LOOP
        digit := strpos('0123456789abcdefghijklmnopqrstuvwxyz', lower(substr($1, i, 1))) - 1;
        IF digit < 0 OR digit >= $2 THEN
            RAISE EXCEPTION 'The input % is not valid to be converted to base %', $1, $2;
        END IF;
        result := result * $2 + digit;
    END LOOP;
    RETURN result;
END $$;
CREATE FUNCTION pg_catalog.pg_last_copy_count() RETURNS bigint STABLE LANGUAGE sql
    AS $$ SELECT coalesce(nullif(current_setting('redshift.copy_count', true), ''), '0')::bigint $$;

CREATE FUNCTION redshift.sum_and_count(bigint[], bigint) RETURNS bigint[] IMMUTABLE LANGUAGE sql
    AS $$ SELECT CASE WHEN $2 IS NULL THEN $1 ELSE ARRAY[$1[1] + $2, $1[2] + 1] END $$;
CREATE FUNCTION redshift.truncated_mean(bigint[]) RETURNS bigint IMMUTABLE LANGUAGE sql
    AS $$ SELECT $1[1] / nullif($1[2], 0) $$;
CREATE AGGREGATE redshift.avg(bigint)
    (SFUNC = redshift.sum_and_count, STYPE = bigint[], INITCOND = '{0,0}', FINALFUNC = redshift.truncated_mean);
CREATE FUNCTION redshift.sum_and_count(bigint[], integer) RETURNS bigint[] IMMUTABLE LANGUAGE sql
    AS $$ SELECT CASE WHEN $2 IS NULL THEN $1 ELSE ARRAY[$1[1] + $2, $1[2] + 1] END $$;
CREATE AGGREGATE redshift.avg(integer)
    (SFUNC = redshift.sum_and_count, STYPE = bigint[], INITCOND = '{0,0}', FINALFUNC = redshift.truncated_mean);
CREATE FUNCTION redshift.sum_and_count(bigint[], smallint) RETURNS bigint[] IMMUTABLE LANGUAGE sql
    AS $$ SELECT CASE WHEN $2 IS NULL THEN $1 ELSE ARRAY[$1[1] + $2, $1[2] + 1] END $$;
CREATE AGGREGATE redshift.avg(smallint)
    (SFUNC = redshift.sum_and_count, STYPE = bigint[], INITCOND = '{0,0}', FINALFUNC = redshift.truncated_mean);
CREATE TYPE redshift.numeric_mean AS (total numeric, count bigint, scale integer);
CREATE FUNCTION redshift.add_numeric(redshift.numeric_mean, numeric) RETURNS redshift.numeric_mean
    IMMUTABLE LANGUAGE sql AS $$ SELECT CASE WHEN $2 IS NULL THEN $1
          ELSE ROW($1.total + $2, $1.count + 1, greatest($1.scale, scale($2)))::redshift.numeric_mean END $$;
CREATE FUNCTION redshift.scaled_mean(redshift.numeric_mean) RETURNS numeric IMMUTABLE LANGUAGE sql
    AS $$ SELECT round($1.total / nullif($1.count, 0), $1.scale) $$;
CREATE AGGREGATE redshift.avg(numeric) (SFUNC = redshift.add_numeric, STYPE = redshift.numeric_mean,
    INITCOND = '(0,0,0)', FINALFUNC = redshift.scaled_mean);
CREATE FUNCTION redshift.add_double(double precision[], double precision) RETURNS double precision[]
    IMMUTABLE LANGUAGE sql AS $$ SELECT CASE WHEN $2 IS NULL THEN $1 ELSE ARRAY[$1[1] + $2, $1[2] + 1] END $$;
CREATE FUNCTION redshift.double_mean(double precision[]) RETURNS double precision IMMUTABLE LANGUAGE sql
    AS $$ SELECT $1[1] / nullif($1[2], 0) $$;
CREATE AGGREGATE redshift.avg(double precision) (SFUNC = redshift.add_double, STYPE = double precision[],
    INITCOND = '{0,0}', FINALFUNC = redshift.double_mean);
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA redshift TO PUBLIC;
"""
