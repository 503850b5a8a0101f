"""Pure rules of a document: content, labels, dates, links, prose, and the cache key of its PDF."""
