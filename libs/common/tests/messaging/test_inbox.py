"""The inbox keeps the ids of processed events as long as they may be delivered again."""

import psycopg
from cv_common.app import Component, create_app
from cv_common.kernel.database import Database
from cv_common.kernel.settings import ServiceSettings
from cv_common.messaging.consumer import Consumer
from cv_common.messaging.events import ResumeDeleted
from cv_testing.identity import IdentityKeys
from cv_testing.serving import eventually, serving

from libs.common.tests.conftest import NatsServer


async def ignore(event: ResumeDeleted) -> None:
    """Do nothing."""


async def test_old_rows_of_the_inbox_are_deleted(
    nats: NatsServer, database_url: str, identity_keys: IdentityKeys
) -> None:
    database, broker = Database(database_url), nats.broker("renderer")
    components: list[Component] = [database, broker, Consumer(broker, {ResumeDeleted: ignore})]
    with psycopg.connect(database_url, autocommit=True) as service:
        for days, events in ((1, 1), (61, 1), (71, 2500)):
            service.execute(
                "insert into inbox select gen_random_uuid(), now() - %s * interval '1 day' - interval '1 hour'"
                " from generate_series(1, %s)",
                (days, events),
            )

        def ages() -> list[int]:
            rows = service.execute("select extract(day from now() - received_at) from inbox order by 1").fetchall()
            return [int(days) for (days,) in rows]

        environment = identity_keys.environment("renderer")
        async with serving(lambda: create_app("renderer", ServiceSettings(), [], components=components), environment):
            await eventually(lambda: ages() == [1, 61])
