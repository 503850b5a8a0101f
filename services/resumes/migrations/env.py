from cv_common.kernel.migrations import run
from cv_resumes.tables import metadata

run(metadata)
