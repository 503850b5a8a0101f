from cv_common.migrations import run
from cv_renderer.tables import metadata

run(metadata)
