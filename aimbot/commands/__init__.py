"""The commands of the command line: they put together packages that do not know each other."""
