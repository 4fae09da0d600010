"""A score on a page or in a notebook: tokens coloured by surprisal."""
