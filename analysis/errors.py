# SPDX-License-Identifier: Apache-2.0
"""Bad input of the user."""


class InputError(Exception):
    """Its text is the one line that goes to standard error; the program ends with status 2."""
