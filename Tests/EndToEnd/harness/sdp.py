"""Offers in the shapes that real clients send, and a little reading of answers."""

import re


def ice_and_fingerprint(ufrag, password, fingerprint, setup="actpass"):
    return [
        f"a=ice-ufrag:{ufrag}",
        f"a=ice-pwd:{password}",
        f"a=fingerprint:sha-256 {fingerprint}",
        f"a=setup:{setup}",
    ]


VIDEO_CODECS = {
    "H264": [
        "a=rtpmap:96 H264/90000",
        "a=fmtp:96 profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1",
    ],
    "VP8": ["a=rtpmap:96 VP8/90000"],
}


def obs_offer(identity, audio_ssrc, video_ssrc, layers=None, video_lines=None):
    """What OBS's libdatachannel sends: session-level ICE and DTLS, no candidates, a bare LF after the BUNDLE line.

    With `layers` (a list of rids) it is OBS's simulcast form: rids, header extensions and no ssrc lines.
    """
    head = ["v=0", "o=rtc 4109260746 0 IN IP4 127.0.0.1", "s=-", "t=0 0"]
    session = [
        "a=group:LS 0 1",
        "a=msid-semantic:WMS *",
        "a=ice-options:ice2,trickle",
        *ice_and_fingerprint(identity.ufrag, identity.password, identity.fingerprint),
    ]
    audio = [
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "c=IN IP4 0.0.0.0",
        "a=mid:0",
        "a=sendonly",
        f"a=ssrc:{audio_ssrc} cname:obs-cname",
        f"a=ssrc:{audio_ssrc} msid:obs-stream obs-stream-audio",
        "a=msid:obs-stream obs-stream-audio",
        "a=rtcp-mux",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 minptime=10;maxaveragebitrate=96000;stereo=1;sprop-stereo=1;useinbandfec=1",
    ]
    video = [
        "m=video 9 UDP/TLS/RTP/SAVPF 96",
        "c=IN IP4 0.0.0.0",
        "a=mid:1",
        "a=sendonly",
        "a=msid:obs-stream obs-stream-video",
        "a=rtcp-mux",
        *(video_lines or VIDEO_CODECS["H264"]),
        "a=rtcp-fb:96 nack",
        "a=rtcp-fb:96 nack pli",
        "a=rtcp-fb:96 goog-remb",
    ]
    if layers:
        video += [
            "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid",
            "a=extmap:2 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
            *[f"a=rid:{layer} send" for layer in layers],
            f"a=simulcast:send {';'.join(layers)}",
        ]
    else:
        video += [
            f"a=ssrc:{video_ssrc} cname:obs-cname",
            f"a=ssrc:{video_ssrc} msid:obs-stream obs-stream-video",
        ]
    crlf = "\r\n".join
    return crlf(head) + "\r\na=group:BUNDLE 0 1\n" + crlf(session + audio + video) + "\r\n"


def viewer_offer(identity, video="H264", extra_video=()):
    """A plain recvonly offer of Opus and one video codec."""
    lines = [
        "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 0.0.0.0", "a=mid:0", "a=recvonly", "a=rtcp-mux",
        *ice_and_fingerprint(identity.ufrag, identity.password, identity.fingerprint),
        "a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10;useinbandfec=1",
        "m=video 9 UDP/TLS/RTP/SAVPF 96", "c=IN IP4 0.0.0.0", "a=mid:1", "a=recvonly", "a=rtcp-mux", "a=rtcp-rsize",
        *ice_and_fingerprint(identity.ufrag, identity.password, identity.fingerprint),
        *VIDEO_CODECS[video], "a=rtcp-fb:96 nack", "a=rtcp-fb:96 nack pli", *extra_video,
    ]
    return "\r\n".join(lines) + "\r\n"


class Answer:
    """The few things of an answer that a raw client needs."""

    def __init__(self, text):
        self.text = text
        self.ufrag = re.search(r"(?m)^a=ice-ufrag:(\S+)", text).group(1)
        self.password = re.search(r"(?m)^a=ice-pwd:(\S+)", text).group(1)
        self.setup = re.search(r"(?m)^a=setup:(\S+)", text).group(1)
        self.candidates = [
            (address, int(port))
            for address, port in re.findall(r"(?mi)^a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", text)
        ]

    def take_restart(self, fragment):
        """The credentials of a restart take the place of the answer's."""
        self.ufrag = re.search(r"(?m)^a=ice-ufrag:(\S+)", fragment).group(1)
        self.password = re.search(r"(?m)^a=ice-pwd:(\S+)", fragment).group(1)

    @property
    def media_lines(self):
        return re.findall(r"(?m)^m=(\w+) (\d+)", self.text)
