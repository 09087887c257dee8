"""Jobs: long work on a workspace, one record each, done in order and resumed after a kill. Imports all rooms with such work."""
