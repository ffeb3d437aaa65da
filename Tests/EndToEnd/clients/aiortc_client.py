"""publish|watch URL: an aiortc client. Publishes a moving pattern and a tone, or decodes what comes.

Prints lines of JSON: {"event": "connected"}, and for a viewer {"event": "playing", "frames": …, "audio": …} once
both have arrived. Ends, with a DELETE, when its standard input is closed.
"""

import argparse
import asyncio
import json
import pathlib
import sys
import urllib.parse

import aiohttp
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness.media import pattern  # noqa: E402


def report(event, **values):
    print(json.dumps({"event": event, **values}), flush=True)


class Pattern(VideoStreamTrack):
    number = 0

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        frame = pattern(640, 360, self.number)
        self.number += 1
        frame.pts, frame.time_base = pts, time_base
        return frame


async def standard_input_closed():
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


async def main(options):
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    counts = {"video": 0, "audio": 0}
    sizes = {}

    async def consume(track):
        while True:
            frame = await track.recv()
            counts[track.kind] += 1
            if track.kind == "video":
                sizes["width"], sizes["height"] = frame.width, frame.height

    @connection.on("track")
    def received(track):
        asyncio.ensure_future(consume(track))

    @connection.on("connectionstatechange")
    def changed():
        if connection.connectionState == "connected":
            report("connected")
        elif connection.connectionState in ("failed", "closed"):
            report("ended", state=connection.connectionState)

    if options.mode == "publish":
        video = connection.addTransceiver(Pattern(), direction="sendonly")
        connection.addTransceiver(AudioStreamTrack(), direction="sendonly")
        if options.codec:
            wanted = f"video/{options.codec}".lower()
            capable = RTCRtpSender.getCapabilities("video").codecs
            video.setCodecPreferences([codec for codec in capable if codec.mimeType.lower() == wanted])
    else:
        connection.addTransceiver("video", direction="recvonly")
        connection.addTransceiver("audio", direction="recvonly")

    authorization = {"Authorization": f"Bearer {options.token}"} if options.token else {}
    await connection.setLocalDescription(await connection.createOffer())
    async with aiohttp.ClientSession() as http:
        async with http.post(
            options.url, data=connection.localDescription.sdp,
            headers={"Content-Type": "application/sdp", **authorization},
        ) as response:
            body = await response.text()
            if response.status != 201:
                report("failed", status=response.status, body=body[:300])
                return 1
            location = urllib.parse.urljoin(options.url, response.headers["Location"])
        await connection.setRemoteDescription(RTCSessionDescription(body, "answer"))

        closed = asyncio.ensure_future(standard_input_closed())
        playing = False
        while not closed.done():
            enough = counts["video"] >= options.frames and counts["audio"] >= options.audio
            if options.mode == "watch" and not playing and enough:
                playing = True
                report("playing", frames=counts["video"], audio=counts["audio"], **sizes)
            elif playing and options.progress:
                report("progress", frames=counts["video"])
            await asyncio.wait({closed}, timeout=0.05)
        async with http.delete(location, headers=authorization) as response:
            report("deleted", status=response.status, frames=counts["video"], audio=counts["audio"])
    await connection.close()
    return 0


parser = argparse.ArgumentParser()
parser.add_argument("mode", choices=["publish", "watch"])
parser.add_argument("url")
parser.add_argument("--codec")
parser.add_argument("--token")
parser.add_argument("--frames", type=int, default=20)
parser.add_argument("--audio", type=int, default=10, help="audio frames to wait for")
parser.add_argument("--progress", help="report frames all the time, too")
sys.exit(asyncio.run(main(parser.parse_args())))
