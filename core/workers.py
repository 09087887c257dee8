"""What every worker process does first."""

import multiprocessing
import os
import threading


def end_with_parent() -> None:
    """End this process when its parent ends, however that happens: a pool's processes would wait for work for ever."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, name="parent", daemon=True).start()
