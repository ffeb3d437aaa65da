"""publish|watch URL: a GStreamer client (webrtcbin), run by the system's Python, which has its bindings.

Prints lines of JSON: {"event": "connected"}, and for a viewer {"event": "playing", …} once picture and sound have
arrived. Ends, with a DELETE, when its standard input is closed.
"""

import argparse
import json
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

ENCODERS = {
    "H264": "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=60 bitrate=600 "
            "! video/x-h264,profile=constrained-baseline ! rtph264pay config-interval=-1 aggregate-mode=zero-latency",
    "VP8": "vp8enc deadline=1 cpu-used=8 keyframe-max-dist=60 target-bitrate=600000 ! rtpvp8pay picture-id-mode=2",
}
PUBLISH = """
    webrtcbin name=peer bundle-policy=max-bundle
    videotestsrc is-live=true pattern=ball ! video/x-raw,width=640,height=360,framerate=30/1 ! videoconvert
        ! {encoder} ! application/x-rtp,media=video,encoding-name={codec},payload=96,clock-rate=90000 ! peer.
    audiotestsrc is-live=true wave=sine ! audioconvert ! audioresample ! opusenc ! rtpopuspay
        ! application/x-rtp,media=audio,encoding-name=OPUS,payload=97,clock-rate=48000 ! peer.
"""


def report(event, **values):
    print(json.dumps({"event": event, **values}), flush=True)


class Client:
    def __init__(self, options):
        self.options = options
        self.loop = GLib.MainLoop()
        self.location = None
        self.counts = {"video": 0, "audio": 0}
        self.size = {}
        self.is_playing = False
        self.status = 0

    def run(self):
        if self.options.mode == "publish":
            codec = self.options.codec or "H264"
            self.pipeline = Gst.parse_launch(PUBLISH.format(encoder=ENCODERS[codec], codec=codec))
        else:
            self.pipeline = Gst.Pipeline()
            peer = Gst.ElementFactory.make("webrtcbin", "peer")
            peer.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
            self.pipeline.add(peer)
        self.peer = self.pipeline.get_by_name("peer")
        self.peer.connect("notify::connection-state", self.state_changed)
        self.peer.connect("notify::ice-gathering-state", self.gathered)
        if self.options.mode == "watch":
            self.peer.connect("pad-added", self.pad_added)
            caps = [
                "application/x-rtp,media=audio,encoding-name=OPUS,payload=111,clock-rate=48000",
                "application/x-rtp,media=video,encoding-name=H264,payload=102,clock-rate=90000,"
                "packetization-mode=(string)1,profile-level-id=(string)42e01f,rtcp-fb-nack-pli=(boolean)true;"
                "application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000,"
                "rtcp-fb-nack-pli=(boolean)true;"
                "application/x-rtp,media=video,encoding-name=VP9,payload=98,clock-rate=90000,"
                "rtcp-fb-nack-pli=(boolean)true",
            ]
            for one in caps:
                direction = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
                self.peer.emit("add-transceiver", direction, Gst.Caps.from_string(one))
            GLib.timeout_add(50, self.look)
        else:
            for index in range(2):
                transceiver = self.peer.emit("get-transceiver", index)
                transceiver.set_property("direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self.failed)
        threading.Thread(target=self.wait_for_the_end, daemon=True).start()
        self.pipeline.set_state(Gst.State.PLAYING)
        GLib.timeout_add(20, self.offer)
        self.loop.run()
        if self.location:
            self.request("DELETE", self.location)
        self.pipeline.set_state(Gst.State.NULL)
        return self.status

    def wait_for_the_end(self):
        sys.stdin.read()
        GLib.idle_add(self.loop.quit)

    def fail(self, reason):
        report("failed", reason=reason)
        self.status = 1
        self.loop.quit()

    def failed(self, _, message):
        self.fail(str(message.parse_error()))

    def offer(self):
        # The encoder's profile is part of the offer, so the offer waits until the caps have come through.
        pads = self.peer.sinkpads
        if any(pad.get_current_caps() is None for pad in pads):
            return True

        def created(promise, *_):
            # The offer lives in the reply, so the reply is held while it is used.
            reply = promise.get_reply()
            if reply is None or not reply.has_field("offer"):
                GLib.idle_add(self.fail, f"no offer: {reply and reply.to_string()}")
                return
            self.peer.emit("set-local-description", reply.get_value("offer"), None)

        self.peer.emit("create-offer", None, Gst.Promise.new_with_change_func(created))
        return False

    def gathered(self, *_):
        complete = GstWebRTC.WebRTCICEGatheringState.COMPLETE
        if self.peer.get_property("ice-gathering-state") == complete and self.location is None:
            self.location = ""
            GLib.idle_add(self.post)

    def post(self):
        offer = self.peer.get_property("local-description").sdp.as_text()
        try:
            response = self.request("POST", self.options.url, offer.encode(), "application/sdp")
        except urllib.error.HTTPError as error:
            self.fail(f"{error.code} {error.read()[:300]}")
            return False
        self.location = urllib.parse.urljoin(self.options.url, response.headers["Location"])
        _, message = GstSdp.SDPMessage.new_from_text(response.read().decode())
        answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        self.peer.emit("set-remote-description", answer, None)
        return False

    def request(self, method, url, body=None, content_type=None):
        headers = {"Content-Type": content_type} if content_type else {}
        if self.options.token:
            headers["Authorization"] = f"Bearer {self.options.token}"
        return urllib.request.urlopen(urllib.request.Request(url, body, headers, method=method), timeout=10)

    def state_changed(self, *_):
        state = self.peer.get_property("connection-state")
        if state == GstWebRTC.WebRTCPeerConnectionState.CONNECTED:
            report("connected")
        elif state == GstWebRTC.WebRTCPeerConnectionState.FAILED:
            GLib.idle_add(self.fail, "the connection failed")

    def pad_added(self, _, pad):
        if pad.direction != Gst.PadDirection.SRC:
            return
        decoder = Gst.ElementFactory.make("decodebin")
        decoder.connect("pad-added", self.decoded)
        self.pipeline.add(decoder)
        decoder.sync_state_with_parent()
        pad.link(decoder.get_static_pad("sink"))

    def decoded(self, _, pad):
        structure = pad.get_current_caps().get_structure(0)
        kind = structure.get_name().split("/")[0]
        if kind == "video":
            self.size = {"width": structure.get_value("width"), "height": structure.get_value("height")}
        sink = Gst.ElementFactory.make("fakesink")
        sink.set_property("signal-handoffs", True)
        sink.set_property("sync", False)

        def count(*_):
            self.counts[kind] += 1

        sink.connect("handoff", count)
        self.pipeline.add(sink)
        sink.sync_state_with_parent()
        pad.link(sink.get_static_pad("sink"))

    def look(self):
        if not self.is_playing and self.counts["video"] >= self.options.frames and self.counts["audio"] >= 10:
            self.is_playing = True
            report("playing", frames=self.counts["video"], audio=self.counts["audio"], **self.size)
        return True


parser = argparse.ArgumentParser()
parser.add_argument("mode", choices=["publish", "watch"])
parser.add_argument("url")
parser.add_argument("--codec")
parser.add_argument("--token")
parser.add_argument("--frames", type=int, default=20)
options = parser.parse_args()
Gst.init(None)
sys.exit(Client(options).run())
