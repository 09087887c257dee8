"""What the command line names of the strategies, without the libraries that they run on. Imports nothing.

The registry is `core.probe.strategies`; a test holds these names to it.
"""

OFFERED = ("diverse", "typical", "uncertain", "uncertain-once", "rare", "top", "random")
WITHOUT_COLUMN = (*OFFERED, "farthest")  # a study compares them where there is no score column
FIRST_ROUND = 10  # diverse labels before uncertainty is meaningful
ROUND = 10  # labels between two refits, in a study
