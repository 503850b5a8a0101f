"""The migrations make the tables that the code speaks of."""

from cv_common.testing.plugin import ServiceDatabase
from cv_common.testing.tables import differences
from cv_templates.tables import metadata


def test_migrated_database_is_what_the_tables_say(service_database: ServiceDatabase) -> None:
    assert differences(service_database("templates"), metadata) == []
