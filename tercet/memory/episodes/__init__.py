"""The parts of episodic memory; ``EpisodicMemory`` puts them together."""
