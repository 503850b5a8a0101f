"""The JSON of the contract for resumes: what comes in, what goes out."""
