"""Entry point of the end-to-end tests; started by Tests/EndToEnd/run."""

import sys

# Importing a file registers its tests.
from cases import churn, hostile, http_table, matrix, obs, pages, pages_live, pages_looks  # noqa: F401
from cases import shutdown, sigma, simulcast  # noqa: F401
from harness.runner import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
