"""Problems of a machine or a workspace, and their repair. May import everything in core."""
