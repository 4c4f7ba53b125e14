-- What each column means. One COMMENT is one statement and a file holds 37 at most, hence several files.

COMMENT ON COLUMN concert_dw.concerts.concert_id IS 'Key; the source''s own id';

COMMENT ON COLUMN concert_dw.concerts.artist_id IS 'Artist who plays; artists may be loaded later';

COMMENT ON COLUMN concert_dw.concerts.venue_id IS 'Venue where it takes place; venues may be loaded later';

COMMENT ON COLUMN concert_dw.concerts.event_date IS 'Day of the concert, where it takes place';

COMMENT ON COLUMN concert_dw.concerts.ticket_prices IS 'Prices as tier:price joined by |';

COMMENT ON COLUMN concert_dw.concerts.total_attendance IS 'People who came; NULL until the concert is over';

COMMENT ON COLUMN concert_dw.concerts.revenue IS 'Revenue of the concert; NULL until the concert is over';

COMMENT ON COLUMN concert_dw.concerts.status IS 'scheduled, completed, cancelled or postponed';

COMMENT ON COLUMN concert_dw.concerts.created_at IS 'UTC moment the row was first loaded';

COMMENT ON COLUMN concert_dw.concerts.updated_at IS 'UTC moment the row was last loaded';

COMMENT ON COLUMN concert_dw.ticket_sales.sale_id IS 'Key; the source''s own id';

COMMENT ON COLUMN concert_dw.ticket_sales.concert_id IS 'Concert the tickets are for';

COMMENT ON COLUMN concert_dw.ticket_sales.customer_id IS 'Who bought, under a pseudonym; NULL when unknown';

COMMENT ON COLUMN concert_dw.ticket_sales.price_tier IS 'Tier of the tickets, as in concerts.ticket_prices';

COMMENT ON COLUMN concert_dw.ticket_sales.quantity IS 'Tickets bought';

COMMENT ON COLUMN concert_dw.ticket_sales.unit_price IS 'Price of one ticket';

COMMENT ON COLUMN concert_dw.ticket_sales.total_amount IS 'What was paid for all of them';

COMMENT ON COLUMN concert_dw.ticket_sales.purchase_timestamp IS 'UTC moment of the purchase';

COMMENT ON COLUMN concert_dw.ticket_sales.customer_segment IS 'Segment the source puts the customer in';

COMMENT ON COLUMN concert_dw.ticket_sales.created_at IS 'UTC moment the row was first loaded';

COMMENT ON COLUMN concert_dw.ticket_sales.updated_at IS 'UTC moment the row was last loaded';
