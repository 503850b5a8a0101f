from cv_auth.tables import metadata
from cv_common.kernel.migrations import run

run(metadata)
