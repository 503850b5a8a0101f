from cv_common.migrations import run
from cv_payments.tables import metadata

run(metadata)
