"""Review at work: what a point in force flags and waits for people, what it leaves up, and the decisions that leave."""
