"""The engine: a queue that loses nothing, batches of what is alike, one worker process a device."""
