"""Migrates databases: all in one process, because starting Alembic takes longer than the migrations.

The variable DATABASE_URLS of `python -m cv_stack.migrations` has a JSON object: the URL of the database by service.
"""

import json
import os
from collections.abc import Mapping

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from cv_testing.workspace import ROOT


def migrate(database_urls: Mapping[str, str]) -> None:
    """Migrate the database of each service to its newest migration."""
    for service, url in database_urls.items():
        os.environ["DATABASE_URL"] = url
        command.upgrade(_config(service), "head")


def is_current(service: str, database_url: str) -> bool:
    """Return whether the database is at the newest migration: a query is much faster than a process with Alembic."""
    with psycopg.connect(database_url) as connection:
        if connection.execute("select to_regclass('alembic_version')").fetchone() == (None,):
            return False
        found = connection.execute("select version_num from alembic_version").fetchall()
    return found == [(ScriptDirectory.from_config(_config(service)).get_current_head(),)]


def _config(service: str) -> Config:
    return Config(ROOT / "services" / service / "alembic.ini")


if __name__ == "__main__":
    migrate(json.loads(os.environ["DATABASE_URLS"]))
