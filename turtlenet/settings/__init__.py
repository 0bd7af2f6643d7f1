"""The settings of each workflow: one frozen dataclass, and one field for an option.

From the fields come the options of the command line (`turtlenet.cli.options.settings_options`), the keyword arguments
of the functions (`takes`), the keys of recipes, what tells a run that is continued from another, the defaults, the
checks of types and ranges, and the tables of `docs/settings.md`. Nothing here imports a framework: `turtlenet train
--help` waits for none, nor for the settings of other commands, which is why this file gathers no names.
"""
