"""The probe at work: refit, suggestions, live curves, encoders compared. Imports the workspace and below."""
