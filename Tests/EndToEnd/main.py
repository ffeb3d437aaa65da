"""Entry point of the end-to-end tests; started by Tests/EndToEnd/run."""

import sys

from cases import churn, hostile, http_table, matrix, obs, pages, shutdown  # noqa: F401  (they register their tests)
from harness.runner import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
