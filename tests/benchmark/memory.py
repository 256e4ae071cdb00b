# SPDX-License-Identifier: Apache-2.0
"""What a process takes of this machine's memory, and a limit that lets what would not fit fail in its allocation, before the
system looks for a process to end."""
import os
import resource

PHYSICAL = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")  # bytes


def limit():
    """For subprocess's preexec_fn."""
    resource.setrlimit(resource.RLIMIT_AS, (PHYSICAL, PHYSICAL))


def limit_was_hit(stderr):
    """Whether LibTorch said so, in Python or in C++."""
    return "can't allocate memory" in stderr


def peak_mib(pid="self"):
    """The greatest resident set so far. Not getrusage's, in which a new program inherits what its parent had."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def forget_peak():
    """From now on peak_mib() begins with what is resident now."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
