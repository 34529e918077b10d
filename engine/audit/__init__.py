"""The journal's proof: chains of hashes, and signed checkpoints outside the store."""
