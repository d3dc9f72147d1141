"""Models from local directories that turn pictures into features, and those of them that read prompts too.

A family of models is one entry of the table in `families`; all of them are opened and checked by `directory`.
"""
