"""Ways to run a policy: transformers, CTranslate2, a worker process, a server."""
