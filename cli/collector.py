"""Python's collector of cyclic garbage, kept away from what stays for as long as the process."""

import gc


def spare_what_is_there() -> None:
    """From now on collections look at nothing that exists now.

    A full one otherwise looks at all modules, mappers and models, a quarter of a million objects, again and again: each
    time for a tenth of a second, in which no thread of the process goes on. Called before a fork, it also lets the
    processes share the memory, which a collection would write to.
    """
    gc.collect()
    gc.freeze()
