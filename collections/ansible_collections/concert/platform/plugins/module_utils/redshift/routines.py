"""The warehouse's routines: each takes a day's snapshot of a view. Pure.

Whether a call would change anything is asked of the database before: the rows of the view that the snapshot lacks, and
those of the snapshot that the view no longer has. (`noqa: S608`: this file's constants and a date only.)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from .catalog import SCHEMA


@dataclass(frozen=True)
class Routine:
    """A routine, the table that it writes and the view that it reads.

    `columns` are the table's, with the view's where it has another name: `("calculated_at", "as_of")`. The first is the
    day of the snapshot.
    """

    name: str
    table: str
    view: str
    columns: tuple[str | tuple[str, str], ...]

    def call(self, day: date) -> str:
        """Takes the snapshot of a day, in place of the one that is there."""
        return f"CALL {SCHEMA}.{self.name}(CAST('{day:%Y-%m-%d}' AS DATE))"

    def count_changes(self, day: date) -> str:
        """A query for the number of rows that a call would remove or add; a changed row is both."""
        pairs = [(column, column) if isinstance(column, str) else column for column in self.columns]
        of_table = self._rows(self.table, [pair[0] for pair in pairs], day)
        of_view = self._rows(self.view, [pair[1] for pair in pairs], day)
        return (
            f"SELECT COUNT(*) FROM (({of_view} EXCEPT {of_table}) UNION ALL ({of_table} EXCEPT {of_view})) AS changes"  # noqa: S608
        )

    def _rows(self, relation: str, columns: list[str], day: date) -> str:
        where = f"{columns[0]} = CAST('{day:%Y-%m-%d}' AS DATE)"
        return f"SELECT {', '.join(columns)} FROM {SCHEMA}.{relation} WHERE {where}"  # noqa: S608


ROUTINES = (
    Routine(
        "calculate_venue_popularity",
        "venue_popularity",
        "v_venue_popularity",
        (
            ("calculated_at", "as_of"),
            "venue_id",
            "popularity_rank",
            ("avg_attendance_rate", "attendance_rate"),
            "revenue_per_event",
            "booking_frequency",
            "total_events",
        ),
    ),
    Routine(
        "calculate_artist_performance",
        "artist_performance",
        "v_artist_performance",
        (
            ("calculated_at", "as_of"),
            "artist_id",
            "total_concerts",
            "avg_ticket_sales",
            "revenue_generated",
            "fan_engagement_score",
            "growth_trend",
        ),
    ),
    Routine(
        "generate_daily_sales_summary",
        "daily_sales_summary",
        "v_daily_sales_summary",
        (
            "summary_date",
            "concert_id",
            "artist_id",
            "venue_id",
            "total_tickets_sold",
            "total_revenue",
            "avg_ticket_price",
            "unique_customers",
        ),
    ),
)
