from cv_common.kernel.migrations import run
from cv_payments.tables import metadata

run(metadata)
