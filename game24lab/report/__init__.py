"""Reports: run folders to a PDF, from records alone."""
