-- The three tables that keep what the views said on a day. Only the routines write them.
-- Their figures are named and scaled as in the views; growth_trend has no upper bound, so it is wider than a rate.

CREATE TABLE concert_dw.venue_popularity (
    venue_id VARCHAR(64) NOT NULL,
    calculated_at DATE NOT NULL,
    popularity_rank INTEGER NOT NULL,
    avg_attendance_rate NUMERIC(9, 6),
    revenue_per_event NUMERIC(14, 2),
    booking_frequency NUMERIC(9, 6),
    total_events INTEGER NOT NULL,
    PRIMARY KEY (venue_id, calculated_at)
)
DISTSTYLE EVEN
COMPOUND SORTKEY (calculated_at, popularity_rank);

COMMENT ON TABLE concert_dw.venue_popularity IS 'Snapshots of v_venue_popularity; calculated_at is the day the figures are as of';

CREATE TABLE concert_dw.artist_performance (
    artist_id VARCHAR(64) NOT NULL,
    calculated_at DATE NOT NULL,
    total_concerts INTEGER NOT NULL,
    avg_ticket_sales NUMERIC(14, 2),
    revenue_generated NUMERIC(14, 2),
    fan_engagement_score NUMERIC(9, 6),
    growth_trend NUMERIC(18, 6),
    PRIMARY KEY (artist_id, calculated_at)
)
DISTSTYLE EVEN
COMPOUND SORTKEY (calculated_at);

COMMENT ON TABLE concert_dw.artist_performance IS 'Snapshots of v_artist_performance; calculated_at is the day the figures are as of';

CREATE TABLE concert_dw.daily_sales_summary (
    summary_date DATE NOT NULL,
    concert_id VARCHAR(64) NOT NULL,
    artist_id VARCHAR(64) NOT NULL,
    venue_id VARCHAR(64) NOT NULL,
    total_tickets_sold INTEGER NOT NULL,
    total_revenue NUMERIC(14, 2) NOT NULL,
    avg_ticket_price NUMERIC(14, 2),
    unique_customers INTEGER NOT NULL,
    created_at TIMESTAMP NOT NULL DEFAULT GETDATE(),
    PRIMARY KEY (summary_date, concert_id)
)
DISTSTYLE KEY
DISTKEY (artist_id)
COMPOUND SORTKEY (summary_date);

COMMENT ON TABLE concert_dw.daily_sales_summary IS 'Snapshots of v_daily_sales_summary: what was sold on a UTC day for one concert';
