"""What is wrong with a machine or a workspace, and its repair. May import everything in core."""
