"""The JSON of resumes: request bodies, response models, serialization."""
