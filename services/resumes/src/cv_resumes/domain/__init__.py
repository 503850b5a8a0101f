"""The pure rules of resumes: content, owners, edits, entitlement, photos and imports."""
