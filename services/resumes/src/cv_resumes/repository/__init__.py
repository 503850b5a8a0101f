"""All SQL of the resumes service."""
