# SPDX-License-Identifier: Apache-2.0
"""Reads what vmxsim writes, holds it against published hardware figures, and draws it."""
