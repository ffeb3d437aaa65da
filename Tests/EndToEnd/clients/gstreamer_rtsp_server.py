"""ADDRESS PORT: GStreamer's RTSP server, run by the system's Python, playing a test picture and tone at /cam.

Prints {"event": "listening"}, and {"event": "clients", "count": n} whenever that changes. Ends when its standard input is
closed.
"""

import argparse
import json
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

LAUNCH = """( videotestsrc is-live=true pattern=ball ! video/x-raw,width=640,height=360,framerate=25/1
    ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 bitrate=800 ! rtph264pay name=pay0 pt=96
    audiotestsrc is-live=true ! audioconvert ! audioresample ! opusenc ! rtpopuspay name=pay1 pt=97 )"""
TRANSPORTS = {
    "all": GstRtsp.RTSPLowerTrans.UDP | GstRtsp.RTSPLowerTrans.TCP,
    "udp": GstRtsp.RTSPLowerTrans.UDP,
    "tcp": GstRtsp.RTSPLowerTrans.TCP,
}


def report(event, **values):
    print(json.dumps({"event": event, **values}), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("port")
    parser.add_argument("--transport", choices=TRANSPORTS, default="all")
    parser.add_argument("--user")
    parser.add_argument("--password")
    arguments = parser.parse_args()

    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address(arguments.address)
    server.set_service(arguments.port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(LAUNCH)
    factory.set_shared(True)
    factory.set_protocols(TRANSPORTS[arguments.transport])
    if arguments.user:
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "user")
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(arguments.user, arguments.password, token)
        server.set_auth(auth)
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("user", "media.factory.access", True)
        permissions.add_permission_for_role("user", "media.factory.construct", True)
        factory.set_permissions(permissions)
    server.get_mount_points().add_factory("/cam", factory)

    clients = set()

    def closed(client):
        clients.discard(client)
        report("clients", count=len(clients))

    def connected(_, client):
        clients.add(client)
        client.connect("closed", closed)
        report("clients", count=len(clients))

    server.connect("client-connected", connected)
    if server.attach(None) == 0:
        sys.exit("the port is taken")
    loop = GLib.MainLoop()

    def wait_for_end():
        sys.stdin.read()
        loop.quit()

    threading.Thread(target=wait_for_end, daemon=True).start()
    report("listening")
    loop.run()


if __name__ == "__main__":
    main()
