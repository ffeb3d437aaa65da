"""Entry point of the end-to-end tests; started by Tests/EndToEnd/run."""

import sys

# Importing a file registers its tests.
from cases import (  # noqa: F401
    churn,
    hostile,
    hostile_viewers,
    http_table,
    ice,
    late_viewers,
    matrix,
    netem,
    obs,
    pages,
    scalable,
    pages_live,
    pages_looks,
    pages_renewed,
    pages_scripts,
    rtsp,
    rtsp_commands,
    rtsp_formats,
    rtsp_late_readers,
    rtsp_load,
    rtsp_login,
    rtsp_ports,
    rtsp_pull,
    rtsp_sync,
    rtsp_talk,
    rtsp_transports,
    shutdown,
    sigma,
    simulcast,
    sound,
    sound_formats,
)
from harness.runner import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
