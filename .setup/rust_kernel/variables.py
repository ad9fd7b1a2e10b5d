"""Tracks the variables that cells defined.

evcxr drops a variable that a cell consumed, and later reports only that it cannot find it. So the kernel compares
the list of variables before and after each cell, and its message names the cell that consumed the variable.
"""

import re

from marker import NOT_CODE

LISTED = re.compile(r"^(\w+): (.*)$", re.MULTILINE)
# Not within a block or a function, whose variables are its own.
DEFINED = re.compile(r"^let\b([^=;]*)", re.MULTILINE)


class Variables:
    """The variables after the last cell, and those that were there before."""

    def __init__(self):
        self.types = {}  # name to type
        self._made = {}  # name to the number of the cell that defined it last
        self._gone = {}  # name to a sentence about where it went

    def after(self, number, listed, source="", ended=True):
        """Takes in evcxr's list of variables after the cell of this number, and whether it ran to its end."""
        types = dict(LISTED.findall(listed))
        patterns = [re.sub(r":.*", "", p) for p in DEFINED.findall(NOT_CODE.sub("", source))]
        defined = {name for pattern in patterns for name in re.findall(r"\b[a-z_]\w*", pattern)}
        for name in defined - types.keys():
            self._made.pop(name, None)
            self._gone[name] = (
                f"`{name}` was moved in cell [{number}], which defines it; clone it there: `{name}.clone()`"
                if ended
                else f"`{name}` was not defined: cell [{number}] ended with an error"
            )
        for name in self.types.keys() - types.keys() - defined:
            made = self._made.pop(name, None)
            again = f"run cell [{made}], which defines it, again" if made else "define it again"
            self._gone[name] = f"`{name}` was moved in cell [{number}]; {again}, or clone it there: `{name}.clone()`"
        for name in types:
            if name not in self.types or (ended and name in defined):
                self._made[name] = number
                self._gone.pop(name, None)
        self.types = types

    def lost(self, number):
        """The process that held them ended in this cell."""
        for name in self.types:
            self._gone[name] = (
                f"`{name}` was lost when the process that runs the cells ended in cell [{number}]; "
                "run the notebook again from its first cell"
            )
        self.types, self._made = {}, {}

    def where(self, name):
        """A sentence about a variable that is no longer there, or None."""
        return self._gone.get(name)
