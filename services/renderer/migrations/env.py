from cv_common.kernel.migrations import run
from cv_renderer.tables import metadata

run(metadata)
