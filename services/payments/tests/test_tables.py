"""The migrations create the tables of `tables.py`."""

from cv_payments.tables import metadata
from cv_testing.plugin import ServiceDatabase
from cv_testing.tables import differences


def test_migrations_create_the_tables(service_database: ServiceDatabase) -> None:
    assert differences(service_database("payments"), metadata) == []
