"""Search algorithms as coroutines, the engine that runs hundreds of them at once, and the tree they leave behind."""
