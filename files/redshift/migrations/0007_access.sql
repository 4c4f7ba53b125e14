-- Who may do what. People and jobs get a role; each function is the user that AWS derives from its IAM role's name.
-- Such a user has no password and appears by itself when its function first connects, so it may be here already.
-- Redshift folds quoted names to lower case, the prefix too, unless a session says otherwise: compare without case.
-- A later migration that adds a table or view grants on it by itself: nothing is granted in advance.

CREATE ROLE concert_reader;

CREATE ROLE concert_loader;

CREATE ROLE concert_admin;

GRANT USAGE ON SCHEMA concert_dw TO ROLE concert_reader;

GRANT SELECT ON ALL TABLES IN SCHEMA concert_dw TO ROLE concert_reader;

GRANT USAGE ON SCHEMA concert_dw TO ROLE concert_loader;

GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE
concert_dw.artists, concert_dw.venues, concert_dw.concerts, concert_dw.ticket_sales, concert_dw.load_history
TO ROLE concert_loader;

GRANT USAGE, CREATE ON SCHEMA concert_dw TO ROLE concert_admin;

GRANT ALL ON ALL TABLES IN SCHEMA concert_dw TO ROLE concert_admin;

GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA concert_dw TO ROLE concert_admin;

-- concert: skip-when SELECT usename FROM pg_user WHERE LOWER(usename) = 'iamr:concert-role-chatbot-${environment}${name_suffix}'
CREATE USER "IAMR:concert-role-chatbot-${environment}${name_suffix}" PASSWORD DISABLE;

GRANT ROLE concert_reader TO "IAMR:concert-role-chatbot-${environment}${name_suffix}";

-- concert: skip-when SELECT usename FROM pg_user WHERE LOWER(usename) = 'iamr:concert-role-venue-popularity-${environment}${name_suffix}'
CREATE USER "IAMR:concert-role-venue-popularity-${environment}${name_suffix}" PASSWORD DISABLE;

GRANT ROLE concert_reader TO "IAMR:concert-role-venue-popularity-${environment}${name_suffix}";

-- concert: skip-when SELECT usename FROM pg_user WHERE LOWER(usename) = 'iamr:concert-role-ticket-prediction-${environment}${name_suffix}'
CREATE USER "IAMR:concert-role-ticket-prediction-${environment}${name_suffix}" PASSWORD DISABLE;

GRANT ROLE concert_reader TO "IAMR:concert-role-ticket-prediction-${environment}${name_suffix}";

-- concert: skip-when SELECT usename FROM pg_user WHERE LOWER(usename) = 'iamr:concert-role-recommendations-${environment}${name_suffix}'
CREATE USER "IAMR:concert-role-recommendations-${environment}${name_suffix}" PASSWORD DISABLE;

GRANT ROLE concert_reader TO "IAMR:concert-role-recommendations-${environment}${name_suffix}";

-- concert: skip-when SELECT usename FROM pg_user WHERE LOWER(usename) = 'iamr:concert-role-health-check-${environment}${name_suffix}'
CREATE USER "IAMR:concert-role-health-check-${environment}${name_suffix}" PASSWORD DISABLE;

GRANT ROLE concert_reader TO "IAMR:concert-role-health-check-${environment}${name_suffix}";

-- concert: skip-when SELECT usename FROM pg_user WHERE LOWER(usename) = 'iamr:concert-role-warehouse-loader-${environment}${name_suffix}'
CREATE USER "IAMR:concert-role-warehouse-loader-${environment}${name_suffix}" PASSWORD DISABLE;

GRANT ROLE concert_loader TO "IAMR:concert-role-warehouse-loader-${environment}${name_suffix}";
