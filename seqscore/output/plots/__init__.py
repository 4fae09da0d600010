"""Charts, drawn without a display and without touching matplotlib's global state; one module a subject."""
