-- Routines write what a view says into its snapshot table. Running one again replaces that day's snapshot.
-- This file is what stands; 0006_routines.sql only made the first ones.
-- The lock comes first: no key is enforced, so two runs at once would otherwise both insert.
-- Redshift has no default arguments, so "today" is an overload.

CREATE OR REPLACE PROCEDURE concert_dw.calculate_venue_popularity (snapshot_day DATE)
AS $$
BEGIN
    LOCK TABLE concert_dw.venue_popularity;
    DELETE FROM concert_dw.venue_popularity WHERE calculated_at = snapshot_day;
    INSERT INTO concert_dw.venue_popularity (
        venue_id, calculated_at, popularity_rank, avg_attendance_rate, revenue_per_event, booking_frequency,
        total_events
    )
    SELECT
        venue_id, as_of, popularity_rank, attendance_rate, revenue_per_event, booking_frequency, total_events
    FROM concert_dw.v_venue_popularity
    WHERE as_of = snapshot_day;
END;
$$ LANGUAGE plpgsql;

CREATE OR REPLACE PROCEDURE concert_dw.calculate_venue_popularity ()
AS $$
BEGIN
    CALL concert_dw.calculate_venue_popularity(CURRENT_DATE);
END;
$$ LANGUAGE plpgsql;

CREATE OR REPLACE PROCEDURE concert_dw.calculate_artist_performance (snapshot_day DATE)
AS $$
BEGIN
    LOCK TABLE concert_dw.artist_performance;
    DELETE FROM concert_dw.artist_performance WHERE calculated_at = snapshot_day;
    INSERT INTO concert_dw.artist_performance (
        artist_id, calculated_at, total_concerts, avg_ticket_sales, revenue_generated, fan_engagement_score,
        growth_trend
    )
    SELECT
        artist_id, as_of, total_concerts, avg_ticket_sales, revenue_generated, fan_engagement_score, growth_trend
    FROM concert_dw.v_artist_performance
    WHERE as_of = snapshot_day;
END;
$$ LANGUAGE plpgsql;

CREATE OR REPLACE PROCEDURE concert_dw.calculate_artist_performance ()
AS $$
BEGIN
    CALL concert_dw.calculate_artist_performance(CURRENT_DATE);
END;
$$ LANGUAGE plpgsql;

CREATE OR REPLACE PROCEDURE concert_dw.generate_daily_sales_summary (snapshot_day DATE)
AS $$
BEGIN
    LOCK TABLE concert_dw.daily_sales_summary;
    DELETE FROM concert_dw.daily_sales_summary WHERE summary_date = snapshot_day;
    INSERT INTO concert_dw.daily_sales_summary (
        summary_date, concert_id, artist_id, venue_id, total_tickets_sold, total_revenue, avg_ticket_price,
        unique_customers
    )
    SELECT
        summary_date, concert_id, artist_id, venue_id, total_tickets_sold, total_revenue, avg_ticket_price,
        unique_customers
    FROM concert_dw.v_daily_sales_summary
    WHERE summary_date = snapshot_day;
END;
$$ LANGUAGE plpgsql;
