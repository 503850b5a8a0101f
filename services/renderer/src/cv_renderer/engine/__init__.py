"""The way out to WeasyPrint: jobs rendered in children of a warm process, each within limits of its own."""
