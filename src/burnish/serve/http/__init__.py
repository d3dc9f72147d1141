"""HTTP: what OpenAI's clients send, and jobs that outlive a connection."""
