"""Plain torch modules, one noun a file; they know neither text nor spaCy."""
