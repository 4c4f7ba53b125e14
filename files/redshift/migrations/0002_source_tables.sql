-- The four tables that the pipeline loads.
--
-- Keys are informational: Redshift does not enforce them, so every load is a MERGE on the key. Foreign keys are left
-- out on purpose: records arrive in any order, and the planner would trust a reference that does not hold yet.
-- NOT NULL is enforced, and stands only where a row means nothing without the value.
-- Moments are UTC. Lengths are bytes.

CREATE TABLE concert_dw.artists (
    artist_id VARCHAR(64) NOT NULL,
    name VARCHAR(256) NOT NULL,
    genre VARCHAR(4096),
    popularity_score NUMERIC(5, 2),
    formation_date DATE,
    members VARCHAR(4096),
    spotify_id VARCHAR(64),
    created_at TIMESTAMP NOT NULL DEFAULT GETDATE(),
    updated_at TIMESTAMP NOT NULL DEFAULT GETDATE(),
    PRIMARY KEY (artist_id)
)
DISTSTYLE EVEN
COMPOUND SORTKEY (name, popularity_score);

COMMENT ON TABLE concert_dw.artists IS 'One row per artist; genre and members are lists joined by |, popularity_score is 0 to 100';

CREATE TABLE concert_dw.venues (
    venue_id VARCHAR(64) NOT NULL,
    name VARCHAR(256) NOT NULL,
    address VARCHAR(256),
    city VARCHAR(256),
    state VARCHAR(256),
    country VARCHAR(256),
    postal_code VARCHAR(32),
    latitude NUMERIC(9, 6),
    longitude NUMERIC(9, 6),
    capacity INTEGER NOT NULL,
    venue_type VARCHAR(32),
    amenities VARCHAR(4096),
    ticketmaster_id VARCHAR(64),
    created_at TIMESTAMP NOT NULL DEFAULT GETDATE(),
    updated_at TIMESTAMP NOT NULL DEFAULT GETDATE(),
    PRIMARY KEY (venue_id)
)
DISTSTYLE EVEN
COMPOUND SORTKEY (city, capacity);

COMMENT ON TABLE concert_dw.venues IS 'One row per venue; capacity in people, venue_type one of arena, stadium, theater, club, amphitheater, hall, other';

CREATE TABLE concert_dw.concerts (
    concert_id VARCHAR(64) NOT NULL,
    artist_id VARCHAR(64) NOT NULL,
    venue_id VARCHAR(64) NOT NULL,
    event_date DATE NOT NULL,
    ticket_prices VARCHAR(4096),
    total_attendance INTEGER,
    revenue NUMERIC(12, 2),
    status VARCHAR(32) NOT NULL,
    created_at TIMESTAMP NOT NULL DEFAULT GETDATE(),
    updated_at TIMESTAMP NOT NULL DEFAULT GETDATE(),
    PRIMARY KEY (concert_id)
)
DISTSTYLE KEY
DISTKEY (artist_id)
COMPOUND SORTKEY (event_date, artist_id);

COMMENT ON TABLE concert_dw.concerts IS 'One row per concert; ticket_prices is tier:price|…, status one of scheduled, completed, cancelled, postponed';

CREATE TABLE concert_dw.ticket_sales (
    sale_id VARCHAR(64) NOT NULL,
    concert_id VARCHAR(64) NOT NULL,
    customer_id VARCHAR(64),
    price_tier VARCHAR(32),
    quantity INTEGER NOT NULL,
    unit_price NUMERIC(8, 2),
    total_amount NUMERIC(10, 2) NOT NULL,
    purchase_timestamp TIMESTAMP NOT NULL,
    customer_segment VARCHAR(32),
    created_at TIMESTAMP NOT NULL DEFAULT GETDATE(),
    updated_at TIMESTAMP NOT NULL DEFAULT GETDATE(),
    PRIMARY KEY (sale_id)
)
DISTSTYLE KEY
DISTKEY (concert_id)
COMPOUND SORTKEY (purchase_timestamp, concert_id);

COMMENT ON TABLE concert_dw.ticket_sales IS 'One row per purchase of tickets for one concert';
