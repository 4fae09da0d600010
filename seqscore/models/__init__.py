"""Names and objects to something that gives log-probabilities.

``base`` says what a scorer needs of a model, ``registry`` has one line a kind; ``local`` is what models in this process
have in common. ``load`` finds, checks and reads a checkpoint; ``architecture`` says what a model's class can do. See
``README.md`` beside this file.
"""
