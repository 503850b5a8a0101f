from cv_common.kernel.migrations import run
from cv_templates.tables import metadata

run(metadata)
