"""Why a pipeline decided as it did: numbers for machines, pages for people."""
