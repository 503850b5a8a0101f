from cv_common.migrations import run
from cv_resumes.tables import metadata

run(metadata)
