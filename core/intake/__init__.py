"""New images come in: find, decode on all cores, commit. Takes the workspace."""
