-- What each column means. One COMMENT is one statement and a file holds 37 at most, hence several files.

COMMENT ON COLUMN concert_dw.venue_popularity.venue_id IS 'Key with calculated_at; the venue';

COMMENT ON COLUMN concert_dw.venue_popularity.calculated_at IS 'Day the figures are as of; the period is the 365 days before it';

COMMENT ON COLUMN concert_dw.venue_popularity.popularity_rank IS '1 is the most popular: attendance rate, then revenue, then venue_id';

COMMENT ON COLUMN concert_dw.venue_popularity.avg_attendance_rate IS 'Attendance divided by capacity over all completed concerts of the period; 1 is full';

COMMENT ON COLUMN concert_dw.venue_popularity.revenue_per_event IS 'Revenue divided by concerts';

COMMENT ON COLUMN concert_dw.venue_popularity.booking_frequency IS 'Concerts a month: concerts divided by 12';

COMMENT ON COLUMN concert_dw.venue_popularity.total_events IS 'Completed concerts of the period';

COMMENT ON COLUMN concert_dw.artist_performance.artist_id IS 'Key with calculated_at; the artist';

COMMENT ON COLUMN concert_dw.artist_performance.calculated_at IS 'Day the figures are as of; the period is the 365 days before it';

COMMENT ON COLUMN concert_dw.artist_performance.total_concerts IS 'Completed concerts of the period';

COMMENT ON COLUMN concert_dw.artist_performance.avg_ticket_sales IS 'Tickets sold divided by concerts; a concert without sales counts as 0';

COMMENT ON COLUMN concert_dw.artist_performance.revenue_generated IS 'Revenue of all completed concerts of the period';

COMMENT ON COLUMN concert_dw.artist_performance.fan_engagement_score IS '0 to 100: 60 % attendance rate, 40 % share of tickets bought by returning customers';

COMMENT ON COLUMN concert_dw.artist_performance.growth_trend IS 'Revenue of the last 182 days against the 183 before, as a share; NULL when those had none';

COMMENT ON COLUMN concert_dw.daily_sales_summary.summary_date IS 'Key with concert_id; UTC day of the purchases';

COMMENT ON COLUMN concert_dw.daily_sales_summary.concert_id IS 'Key with summary_date; the concert';

COMMENT ON COLUMN concert_dw.daily_sales_summary.artist_id IS 'Artist of the concert';

COMMENT ON COLUMN concert_dw.daily_sales_summary.venue_id IS 'Venue of the concert';

COMMENT ON COLUMN concert_dw.daily_sales_summary.total_tickets_sold IS 'Tickets sold on the day';

COMMENT ON COLUMN concert_dw.daily_sales_summary.total_revenue IS 'What was paid on the day';

COMMENT ON COLUMN concert_dw.daily_sales_summary.avg_ticket_price IS 'total_revenue divided by total_tickets_sold';

COMMENT ON COLUMN concert_dw.daily_sales_summary.unique_customers IS 'Customers who bought on the day, each counted once';

COMMENT ON COLUMN concert_dw.daily_sales_summary.created_at IS 'UTC moment the snapshot was taken';

COMMENT ON COLUMN concert_dw.calendar.as_of IS 'A day that a figure can be asked as of';
