"""The migrations make the tables that the code speaks of."""

from cv_payments.tables import metadata
from cv_testing.plugin import ServiceDatabase
from cv_testing.tables import differences


def test_migrated_database_is_what_the_tables_say(service_database: ServiceDatabase) -> None:
    assert differences(service_database("payments"), metadata) == []
