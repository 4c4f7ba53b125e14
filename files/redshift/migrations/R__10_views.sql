-- The views own every figure: functions filter and limit them, routines take snapshots of them, nobody computes twice.
-- This file is what stands; 0005_views.sql only made the first ones. To change a view's columns, drop it and what rests
-- on it in a versioned migration: CREATE OR REPLACE keeps a view's columns as they are.
--
-- Period: the 365 days before as_of, that day itself left out. Each view carries as_of from the calendar; a caller
-- names one day, and the condition reaches the tables because every step groups by as_of.
-- Figures are rounded half up, once, at the end. Sums are narrowed before a division, since Redshift gives the quotient
-- of two wide decimals too few digits: NUMERIC(18, 0) over NUMERIC(18, 0) keeps nineteen, so equal rates stay equal.

CREATE OR REPLACE VIEW concert_dw.v_period_concerts AS
SELECT
    calendar.as_of,
    concerts.concert_id,
    concerts.artist_id,
    concerts.venue_id,
    concerts.event_date,
    venues.capacity,
    COALESCE(concerts.total_attendance, 0) AS total_attendance,
    COALESCE(concerts.revenue, 0) AS revenue
FROM concert_dw.calendar AS calendar
INNER JOIN concert_dw.concerts AS concerts
    ON
        calendar.as_of - 365 <= concerts.event_date
        AND calendar.as_of > concerts.event_date
INNER JOIN concert_dw.venues AS venues
    ON concerts.venue_id = venues.venue_id
WHERE concerts.status = 'completed';

COMMENT ON VIEW concert_dw.v_period_concerts IS 'Completed concerts of the 365 days before as_of, the rows that the other figures sum';

CREATE OR REPLACE VIEW concert_dw.v_venue_popularity AS
WITH totals AS (
    SELECT
        period.as_of,
        period.venue_id,
        COUNT(*) AS total_events,
        CAST(SUM(period.revenue) AS NUMERIC(18, 2)) AS total_revenue,
        CAST(SUM(period.total_attendance) AS NUMERIC(18, 0))
        / NULLIF(CAST(SUM(period.capacity) AS NUMERIC(18, 0)), 0) AS attendance_rate
    FROM concert_dw.v_period_concerts AS period
    GROUP BY period.as_of, period.venue_id
)

SELECT
    totals.as_of,
    ROW_NUMBER() OVER (
        PARTITION BY totals.as_of
        ORDER BY
            totals.attendance_rate DESC NULLS LAST,
            totals.total_revenue DESC,
            totals.venue_id ASC
    ) AS popularity_rank,
    totals.venue_id,
    venues.name,
    venues.city,
    venues.state,
    venues.country,
    venues.capacity,
    totals.total_events,
    CAST(ROUND(totals.attendance_rate, 6) AS NUMERIC(9, 6)) AS attendance_rate,
    CAST(totals.total_revenue AS NUMERIC(14, 2)) AS total_revenue,
    CAST(ROUND(totals.total_revenue / CAST(totals.total_events AS NUMERIC(9, 0)), 2) AS NUMERIC(14, 2))
        AS revenue_per_event,
    CAST(ROUND(CAST(totals.total_events AS NUMERIC(9, 0)) / 12, 6) AS NUMERIC(9, 6)) AS booking_frequency
FROM totals
INNER JOIN concert_dw.venues AS venues
    ON totals.venue_id = venues.venue_id;

COMMENT ON VIEW concert_dw.v_venue_popularity IS 'Venues ranked by attendance rate, then revenue, as of a day; revenue_per_event per concert, booking_frequency concerts a month';

CREATE OR REPLACE VIEW concert_dw.v_artist_performance AS
WITH concert_totals AS (
    SELECT
        period.as_of,
        period.artist_id,
        COUNT(*) AS total_concerts,
        CAST(SUM(period.total_attendance) AS NUMERIC(18, 0)) AS attendance,
        CAST(SUM(period.capacity) AS NUMERIC(18, 0)) AS capacity,
        CAST(SUM(period.revenue) AS NUMERIC(18, 2)) AS revenue,
        CAST(
            SUM(CASE WHEN period.event_date >= period.as_of - 182 THEN period.revenue ELSE 0 END) AS NUMERIC(18, 2)
        ) AS recent_revenue,
        CAST(
            SUM(CASE WHEN period.event_date < period.as_of - 182 THEN period.revenue ELSE 0 END) AS NUMERIC(18, 2)
        ) AS earlier_revenue
    FROM concert_dw.v_period_concerts AS period
    GROUP BY period.as_of, period.artist_id
),

customer_totals AS (
    SELECT
        period.as_of,
        period.artist_id,
        sales.customer_id,
        SUM(sales.quantity) AS tickets,
        -- A sale without a customer counts as a ticket, but as nobody's second concert.
        CASE WHEN sales.customer_id IS NULL THEN 0 ELSE COUNT(DISTINCT sales.concert_id) END AS concerts_attended
    FROM concert_dw.v_period_concerts AS period
    INNER JOIN concert_dw.ticket_sales AS sales
        ON period.concert_id = sales.concert_id
    GROUP BY period.as_of, period.artist_id, sales.customer_id
),

ticket_totals AS (
    SELECT
        customer_totals.as_of,
        customer_totals.artist_id,
        CAST(SUM(customer_totals.tickets) AS NUMERIC(18, 0)) AS tickets,
        CAST(
            SUM(CASE WHEN customer_totals.concerts_attended >= 2 THEN customer_totals.tickets ELSE 0 END)
            AS NUMERIC(18, 0)
        ) AS returning_tickets
    FROM customer_totals
    GROUP BY customer_totals.as_of, customer_totals.artist_id
)

SELECT
    concert_totals.as_of,
    concert_totals.artist_id,
    artists.name,
    artists.genre,
    concert_totals.total_concerts,
    CAST(
        ROUND(COALESCE(ticket_totals.tickets, 0) / CAST(concert_totals.total_concerts AS NUMERIC(9, 0)), 2)
        AS NUMERIC(14, 2)
    ) AS avg_ticket_sales,
    CAST(ROUND(concert_totals.attendance / NULLIF(concert_totals.capacity, 0), 6) AS NUMERIC(9, 6))
        AS attendance_rate,
    CAST(concert_totals.revenue AS NUMERIC(14, 2)) AS revenue_generated,
    -- 100 × (0.6 × rate + 0.4 × share), with the factors multiplied out so that nothing is rounded on the way.
    CAST(
        ROUND(
            COALESCE(CAST(60 * concert_totals.attendance AS NUMERIC(18, 0)) / NULLIF(concert_totals.capacity, 0), 0)
            + COALESCE(
                CAST(40 * ticket_totals.returning_tickets AS NUMERIC(18, 0)) / NULLIF(ticket_totals.tickets, 0), 0
            ),
            6
        ) AS NUMERIC(9, 6)
    ) AS fan_engagement_score,
    CAST(
        ROUND(
            CAST(concert_totals.recent_revenue - concert_totals.earlier_revenue AS NUMERIC(18, 2))
            / NULLIF(CAST(concert_totals.earlier_revenue AS NUMERIC(14, 2)), 0),
            6
        ) AS NUMERIC(18, 6)
    ) AS growth_trend
FROM concert_totals
INNER JOIN concert_dw.artists AS artists
    ON concert_totals.artist_id = artists.artist_id
LEFT JOIN ticket_totals
    ON
        concert_totals.as_of = ticket_totals.as_of
        AND concert_totals.artist_id = ticket_totals.artist_id;

COMMENT ON VIEW concert_dw.v_artist_performance IS 'What each artist drew as of a day: concerts, tickets, attendance, revenue, returning fans (0 to 100), growth';

CREATE OR REPLACE VIEW concert_dw.v_daily_sales_summary AS
WITH totals AS (
    SELECT
        CAST(sales.purchase_timestamp AS DATE) AS summary_date,
        sales.concert_id,
        SUM(sales.quantity) AS total_tickets_sold,
        CAST(SUM(sales.total_amount) AS NUMERIC(18, 2)) AS total_revenue,
        COUNT(DISTINCT sales.customer_id) AS unique_customers
    FROM concert_dw.ticket_sales AS sales
    GROUP BY CAST(sales.purchase_timestamp AS DATE), sales.concert_id
)

SELECT
    totals.summary_date,
    totals.concert_id,
    concerts.artist_id,
    concerts.venue_id,
    totals.total_tickets_sold,
    CAST(totals.total_revenue AS NUMERIC(14, 2)) AS total_revenue,
    CAST(
        ROUND(totals.total_revenue / NULLIF(CAST(totals.total_tickets_sold AS NUMERIC(12, 0)), 0), 2)
        AS NUMERIC(14, 2)
    ) AS avg_ticket_price,
    totals.unique_customers
FROM totals
INNER JOIN concert_dw.concerts AS concerts
    ON totals.concert_id = concerts.concert_id;

COMMENT ON VIEW concert_dw.v_daily_sales_summary IS 'Tickets, revenue, average price and customers by UTC day of purchase and concert';

CREATE OR REPLACE VIEW concert_dw.v_upcoming_concerts AS
SELECT
    concerts.concert_id,
    concerts.artist_id,
    artists.name AS artist_name,
    artists.genre,
    artists.popularity_score,
    concerts.venue_id,
    venues.name AS venue_name,
    venues.city,
    venues.state,
    venues.country,
    venues.capacity,
    concerts.event_date,
    concerts.ticket_prices
FROM concert_dw.concerts AS concerts
INNER JOIN concert_dw.artists AS artists
    ON concerts.artist_id = artists.artist_id
INNER JOIN concert_dw.venues AS venues
    ON concerts.venue_id = venues.venue_id
WHERE
    concerts.status = 'scheduled'
    AND concerts.event_date >= CURRENT_DATE;

COMMENT ON VIEW concert_dw.v_upcoming_concerts IS 'Scheduled concerts from today on, with their artist and venue';

CREATE OR REPLACE VIEW concert_dw.v_concert_history AS
SELECT
    concerts.concert_id,
    concerts.artist_id,
    artists.name AS artist_name,
    artists.genre,
    concerts.venue_id,
    venues.name AS venue_name,
    venues.city,
    venues.capacity,
    concerts.event_date,
    concerts.total_attendance,
    concerts.revenue,
    concerts.ticket_prices,
    CAST(
        ROUND(
            CAST(concerts.total_attendance AS NUMERIC(18, 0)) / NULLIF(CAST(venues.capacity AS NUMERIC(18, 0)), 0), 6
        ) AS NUMERIC(9, 6)
    ) AS attendance_rate
FROM concert_dw.concerts AS concerts
INNER JOIN concert_dw.artists AS artists
    ON concerts.artist_id = artists.artist_id
INNER JOIN concert_dw.venues AS venues
    ON concerts.venue_id = venues.venue_id
WHERE concerts.status = 'completed';

COMMENT ON VIEW concert_dw.v_concert_history IS 'Completed concerts with their artist, venue and attendance rate, for predictions and answers';
