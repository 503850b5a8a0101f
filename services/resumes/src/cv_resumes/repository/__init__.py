"""All SQL of the resumes service: a module for each thing it keeps."""
