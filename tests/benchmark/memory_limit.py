# SPDX-License-Identifier: Apache-2.0
"""Lets what would not fit this machine's memory fail in its allocation, before the system looks for a process to end."""
import os
import resource

PHYSICAL = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")  # bytes


def apply():
    """For subprocess's preexec_fn."""
    resource.setrlimit(resource.RLIMIT_AS, (PHYSICAL, PHYSICAL))


def was_hit(stderr):
    """Whether LibTorch said so, in Python or in C++."""
    return "can't allocate memory" in stderr
