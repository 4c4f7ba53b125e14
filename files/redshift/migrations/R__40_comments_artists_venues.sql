-- What each column means. One COMMENT is one statement and a file holds 37 at most, hence several files.

COMMENT ON COLUMN concert_dw.artists.artist_id IS 'Key; the source''s own id';

COMMENT ON COLUMN concert_dw.artists.name IS 'Name as it is announced';

COMMENT ON COLUMN concert_dw.artists.genre IS 'Genres joined by |, the first one leads';

COMMENT ON COLUMN concert_dw.artists.popularity_score IS '0 to 100, two decimals, as the source gives it';

COMMENT ON COLUMN concert_dw.artists.formation_date IS 'Day the artist began; NULL when unknown';

COMMENT ON COLUMN concert_dw.artists.members IS 'Names of the members joined by |';

COMMENT ON COLUMN concert_dw.artists.spotify_id IS 'Id at Spotify; NULL when there is none';

COMMENT ON COLUMN concert_dw.artists.created_at IS 'UTC moment the row was first loaded';

COMMENT ON COLUMN concert_dw.artists.updated_at IS 'UTC moment the row was last loaded';

COMMENT ON COLUMN concert_dw.venues.venue_id IS 'Key; the source''s own id';

COMMENT ON COLUMN concert_dw.venues.name IS 'Name of the venue';

COMMENT ON COLUMN concert_dw.venues.address IS 'Street and number';

COMMENT ON COLUMN concert_dw.venues.city IS 'City, as recommendations filter by it';

COMMENT ON COLUMN concert_dw.venues.state IS 'State or province';

COMMENT ON COLUMN concert_dw.venues.country IS 'Country';

COMMENT ON COLUMN concert_dw.venues.postal_code IS 'Postal code, as written in its country';

COMMENT ON COLUMN concert_dw.venues.latitude IS 'Degrees north, six decimals';

COMMENT ON COLUMN concert_dw.venues.longitude IS 'Degrees east, six decimals';

COMMENT ON COLUMN concert_dw.venues.capacity IS 'People the venue holds; what attendance rates divide by';

COMMENT ON COLUMN concert_dw.venues.venue_type IS 'arena, stadium, theater, club, amphitheater, hall or other';

COMMENT ON COLUMN concert_dw.venues.amenities IS 'Amenities joined by |';

COMMENT ON COLUMN concert_dw.venues.ticketmaster_id IS 'Id at Ticketmaster; NULL when there is none';

COMMENT ON COLUMN concert_dw.venues.created_at IS 'UTC moment the row was first loaded';

COMMENT ON COLUMN concert_dw.venues.updated_at IS 'UTC moment the row was last loaded';
