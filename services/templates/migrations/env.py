from cv_common.migrations import run
from cv_templates.tables import metadata

run(metadata)
