from cv_auth.tables import metadata
from cv_common.migrations import run

run(metadata)
