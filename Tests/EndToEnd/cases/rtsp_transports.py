"""RTSP by every way that media can travel: multicast, through HTTP, with the documented commands of the clients."""

import base64
import contextlib
import importlib.util
import json
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import time

import pylibsrtp

from cases.rtsp import ask, ffmpeg_publisher, require, run, run_gstreamer
from harness.processes import CLIENTS
from harness.runner import Skip, check, test, until
from harness.server import free_port, free_port_pair


@contextlib.contextmanager
def network_server(env, **settings):
    """A server at the namespace's address: groups are sent to out of the network a client came by."""
    port = free_port()
    address = env.address
    own = {"rtspAddress": f"{address}:{port}", "rtpAddress": f"{address}:{free_port(socket.SOCK_DGRAM)}",
           "rtcpAddress": f"{address}:{free_port(socket.SOCK_DGRAM)}", **settings}
    with env.server(settings=own) as server:
        server.rtsp = lambda path: f"rtsp://{address}:{port}/{path}"
        server.rtsp_address = (address, port)
        yield server


class GroupMember:
    """Hears what is sent to a multicast group."""

    def __init__(self, group, port, interface):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((group, port))
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                               struct.pack("4s4s", socket.inet_aton(group), socket.inet_aton(interface)))
        self.socket.settimeout(2)

    def packets(self, seconds):
        """Sequence numbers heard."""
        end, numbers = time.monotonic() + seconds, []
        while time.monotonic() < end:
            try:
                numbers.append(int.from_bytes(self.socket.recv(2048)[2:4], "big"))
            except TimeoutError:
                break
        return numbers


def ffmpeg_reads(url, transport):
    run(["ffmpeg", "-hide_banner", "-loglevel", "error", "-xerror", "-rtsp_transport", transport, "-i", url, "-t", "3",
         "-f", "null", "-"])


def mpv_reads(url, *options):
    """By the commands of docs/rtsp.md, without a screen."""
    require("mpv")
    result = run(["mpv", "--no-config", "--vo=null", "--ao=null", "--length=3", *options, url])
    check("640x360" in result.stdout, f"mpv showed no picture: {result.stdout[-300:]}")


def gstreamer_reads(url, *properties):
    run_gstreamer(
        ["gst-launch-1.0", "-q", "rtspsrc", f"location={url}", *properties, "name=s",
         "s.", "!", "application/x-rtp,media=video", "!", "decodebin", "!", "fakesink", "num-buffers=50", "sync=false",
         "s.", "!", "application/x-rtp,media=audio", "!", "decodebin", "!", "fakesink", "num-buffers=50", "sync=false"])


@test("rtsp multicast")
def multicast(env):
    """RTSP-6, R15: begins with the first reader, is shared, ends with the last; never between networks uninvited."""
    env.require_namespace("a multicast group")
    with network_server(env) as server, ffmpeg_publisher(server, "group", "tcp"):
        url = server.rtsp("group")
        with env.case("read by FFmpeg"):
            ffmpeg_reads(url, "udp_multicast")
        with env.case("read by GStreamer"):
            gstreamer_reads(url, "protocols=udp-mcast")
        with env.case("read by mpv"):
            mpv_reads(url, "--rtsp-transport=udp_multicast")
        with env.case("one stream for all readers, none without"):
            members, connections = [], []
            for _ in range(2):
                control = socket.create_connection(server.rtsp_address)
                connections.append(control)
                answer = ask(control, f"SETUP {url}/trackID=0 RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP;multicast\r\n\r\n")
                check(answer.startswith("RTSP/1.0 200"), answer)
                group = re.search(r"destination=([\d.]+);port=(\d+)-(\d+);ttl=\d+", answer)
                check(group and group[1].startswith("224.1."), answer)
                members.append((group[1], int(group[2])))
            check(members[0] == members[1], f"two readers got {members}")
            member = GroupMember(*members[0], env.address)
            check(not member.packets(0.5), "somebody is sent to before PLAY")
            for control in connections:
                check(ask(control, f"PLAY {url} RTSP/1.0\r\nCSeq: 2\r\n\r\n").startswith("RTSP/1.0 200"), "PLAY")
            heard = member.packets(3)
            check(len(heard) > 40 and len(set(heard)) == len(heard), f"{len(heard)} packets, some of them twice")
            # One that only closed its connection could come back: its session lives on until it times out.
            check(ask(connections[0], f"TEARDOWN {url} RTSP/1.0\r\nCSeq: 3\r\n\r\n").startswith("RTSP/1.0 200"), "TEARDOWN")
            connections[0].close()
            check(len(member.packets(1)) > 10, "the group ended with its first reader")
            check(ask(connections[1], f"TEARDOWN {url} RTSP/1.0\r\nCSeq: 3\r\n\r\n").startswith("RTSP/1.0 200"), "TEARDOWN")
            member.packets(0.3)
            check(not member.packets(0.5), "the group goes on without readers")
            connections[1].close()
            until(lambda: server.metrics()[0]["martlet_rtsp_multicast_groups"] == 0, 70, "the groups are given back")
        with env.case("asked for by the URL, as VLC understands it"):
            with socket.create_connection(server.rtsp_address) as control:
                answer = ask(control, f"DESCRIBE {url}?vlcmulticast RTSP/1.0\r\nCSeq: 1\r\n\r\n")
                check("c=IN IP4 224.1." in answer, answer)
    with network_server(env, rtspTransports=["udp", "tcp"]) as server, ffmpeg_publisher(server, "group", "tcp"):
        with env.case("refused where the settings leave it out"):
            with socket.create_connection(server.rtsp_address) as control:
                answer = ask(control, f"SETUP {server.rtsp('group')}/trackID=0 RTSP/1.0\r\nCSeq: 1\r\n"
                                      "Transport: RTP/AVP;multicast\r\n\r\n")
                check(answer.startswith("RTSP/1.0 461"), answer)


@test("rtsp through http")
def through_http(env):
    """RTSP-25"""
    with env.server() as server, ffmpeg_publisher(server, "tunnel", "tcp"):
        with env.case("read by FFmpeg"):
            ffmpeg_reads(server.rtsp("tunnel"), "http")
        with env.case("read by GStreamer"):
            gstreamer_reads(server.rtsp("tunnel").replace("rtsp://", "rtsph://"))
        with env.case("read by mpv"):
            mpv_reads(server.rtsp("tunnel"), "--rtsp-transport=http")
        with env.case("published by GStreamer, read in the clear"):
            require("gst-launch-1.0")
            command = ("gst-launch-1.0 -q videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=25/1 "
                       "! videoconvert ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 ! h264parse "
                       "config-interval=-1 ! sink. rtspclientsink name=sink "
                       f"location={server.rtsp('tunnelled').replace('rtsp://', 'rtsph://')}")
            publisher = subprocess.Popen(command.split(), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                server.wait_for_room("tunnelled")
                ffmpeg_reads(server.rtsp("tunnelled"), "tcp")
                check(publisher.poll() is None, "the publisher ended by itself")
            finally:
                publisher.terminate()
                publisher.wait()
        with env.case("a browser is told what the port is for"):
            with socket.create_connection(("127.0.0.1", server.rtsp_port)) as browser:
                answer = ask(browser, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                check(answer.startswith("HTTP/1.0 400"), answer)
        until(lambda: server.metrics()[0]["martlet_rtsp_tunnels"] == 0, 10, "the tunnels are closed")


@contextlib.contextmanager
def secure_server(env, **settings):
    """A server with RTSP over TLS beside the plain port."""
    require("openssl")
    key, certificate = env.directory / "rtsp-key.pem", env.directory / "rtsp-cert.pem"
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
         str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=127.0.0.1"])
    port = free_port()
    with env.server(settings={"rtspEncryption": "optional", "rtspsAddress": f"127.0.0.1:{port}", "rtspServerKey": str(key),
                              "rtspServerCert": str(certificate), **settings}) as server:
        server.rtsps = lambda path: f"rtsps://127.0.0.1:{port}/{path}"
        server.rtsps_port = port
        yield server


@test("rtsp read by OpenCV")
def opencv(env):
    """R22, as its documents open a stream; the way is told to the FFmpeg inside it."""
    if importlib.util.find_spec("cv2") is None:
        raise Skip("opencv-python-headless is not installed")
    with secure_server(env) as server, ffmpeg_publisher(server, "cv", "tcp"):
        for name, url, options in (
                ("TCP", server.rtsp("cv"), "rtsp_transport;tcp"), ("UDP", server.rtsp("cv"), "rtsp_transport;udp"),
                ("TLS", server.rtsps("cv"), "rtsp_transport;tcp|tls_verify;0")):
            with env.case(f"over {name}"):
                result = subprocess.run(
                    [sys.executable, str(CLIENTS / "opencv_reader.py"), url], capture_output=True, text=True, timeout=60,
                    env={**os.environ, "OPENCV_FFMPEG_CAPTURE_OPTIONS": options})
                check(result.returncode == 0, result.stderr[-300:])
                seen = json.loads(result.stdout.splitlines()[-1])
                check(seen["frames"] == 50 and seen["size"] == [640, 360], f"{seen} {result.stderr[-300:]}")
                check(seen["changed"] >= 40, f"the picture stands still: {seen}")


def key_of(message):
    """The traffic key and its salt, 30 bytes, in a MIKEY message in base64 (RFC 3830, section 6.13)."""
    data = base64.b64decode(message)
    place = data.index(b"\x00\x20\x00\x1e") + 4
    return data[place:place + 30]


def set_up_secretly(control, url, port, number):
    """Sets a room's first track up for SRTP to `port`; the key of what will come, and the session."""
    description = ask(control, f"DESCRIBE {url} RTSP/1.0\r\nCSeq: {number}\r\n\r\n")
    described = re.search(r"a=key-mgmt:mikey (\S+)", description).group(1)
    # The client has to bring keys of its own; it sends nothing, so any do.
    answer = ask(control, f"SETUP {url}/trackID=0 RTSP/1.0\r\nCSeq: {number + 1}\r\n"
                 f"Transport: RTP/SAVP;unicast;client_port={port}-{port + 1}\r\n"
                 f'KeyMgmt: prot=mikey;uri="{url}/trackID=0";data="{described}"\r\n\r\n')
    check(answer.startswith("RTSP/1.0 200"), answer)
    key = key_of(re.search(r'data="([^"]+)"', answer).group(1))
    check(key == key_of(described), "the description names another key")
    return key, re.search(r"Session: (\w+)", answer).group(1)


def srtp_receiver(key):
    policy = pylibsrtp.Policy(key=key, ssrc_type=pylibsrtp.Policy.SSRC_ANY_INBOUND,
                              srtp_profile=pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80)
    return pylibsrtp.Session(policy=policy)


def numbers_around_a_pause(server, path):
    """Plays over UDP with SRTP, pauses and plays again: the last number before, the one told, and the first after it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    url = server.rtsps(path)
    with socket.create_connection(("127.0.0.1", server.rtsps_port), 10) as plain, \
            context.wrap_socket(plain) as control, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media:
        media.bind(("127.0.0.1", 0))
        media.settimeout(10)
        key, session = set_up_secretly(control, url, media.getsockname()[1], 1)
        receiver = srtp_receiver(key)

        def request(method, number):
            answer = ask(control, f"{method} {url} RTSP/1.0\r\nCSeq: {number}\r\nSession: {session}\r\n\r\n")
            check(answer.startswith("RTSP/1.0 200"), answer)
            return answer

        def packet():
            return int.from_bytes(receiver.unprotect(media.recv(65536))[2:4], "big")

        request("PLAY", 3)
        last = [packet() for _ in range(30)][-1]
        request("PAUSE", 4)
        # What was on its way; then nothing comes.
        media.settimeout(1)
        with contextlib.suppress(TimeoutError):
            while True:
                last = packet()
        media.settimeout(10)
        told = int(re.search(r"seq=(\d+)", request("PLAY", 5)).group(1))
        first = packet()
        for _ in range(30):
            packet()
        request("TEARDOWN", 6)
        return last, told, first


def sessions_over_one_connection(server, path, count):
    """Reads a room over UDP in one session after another, each until packets have been decrypted; the key of each."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    url, keys = server.rtsps(path), []
    with socket.create_connection(("127.0.0.1", server.rtsps_port), 10) as plain, \
            context.wrap_socket(plain) as control, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media:
        media.bind(("127.0.0.1", 0))
        media.settimeout(10)
        port = media.getsockname()[1]
        for number in range(count):
            key, session = set_up_secretly(control, url, port, 10 * number + 1)
            keys.append(key)
            answer = ask(control, f"PLAY {url} RTSP/1.0\r\nCSeq: {10 * number + 3}\r\nSession: {session}\r\n\r\n")
            check(answer.startswith("RTSP/1.0 200"), answer)
            receiver, opened = srtp_receiver(key), 0
            for _ in range(2000):
                # The first packets may still be the former session's.
                with contextlib.suppress(pylibsrtp.Error):
                    receiver.unprotect(media.recv(65536))
                    opened += 1
                if opened == 20:
                    break
            check(opened == 20, f"{opened} of 2000 packets could be decrypted with the key that was announced")
            answer = ask(control, f"TEARDOWN {url} RTSP/1.0\r\nCSeq: {10 * number + 4}\r\nSession: {session}\r\n\r\n")
            check(answer.startswith("RTSP/1.0 200"), answer)
    return keys


@test("rtsp over tls with srtp")
def secure_media(env):
    """RTSP-24: keys over TLS, media encrypted by itself over UDP; nothing in the clear."""
    with secure_server(env) as server, ffmpeg_publisher(server, "secret", "tcp"):
        with env.case("read by GStreamer over udp"):
            gstreamer_reads(server.rtsps("secret"), "protocols=udp", "tls-validation-flags=0")
        with env.case("read by GStreamer over tcp"):
            gstreamer_reads(server.rtsps("secret"), "protocols=tcp", "tls-validation-flags=0")
        with env.case("read by FFmpeg over tcp"):
            ffmpeg_reads(server.rtsps("secret"), "tcp")
        with env.case("read by mpv"):
            mpv_reads(server.rtsps("secret"))
        with env.case("plain udp is refused"):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with socket.create_connection(("127.0.0.1", server.rtsps_port)) as plain, context.wrap_socket(plain) as control:
                setup = f"SETUP {server.rtsps('secret')}/trackID=0 RTSP/1.0\r\nCSeq: 1\r\nTransport: "
                for field in ("RTP/AVP;unicast;client_port=5000-5001", "RTP/SAVP;unicast;client_port=5000-5001"):
                    answer = ask(control, f"{setup}{field}\r\n\r\n")
                    check(answer.startswith("RTSP/1.0 461"), answer)
        with env.case("each session has keys of its own, and they are the ones it is sent with"):
            keys = sessions_over_one_connection(server, "secret", 2)
            check(keys[0] != keys[1], "two sessions of a connection have the same key")
        with env.case("numbers go on after a pause, as the answer says"):
            last, told, first = numbers_around_a_pause(server, "secret")
            check(told == first == (last + 1) % 65536, f"{last} before, {told} told, {first} first")
        for transport in ("udp", "tcp"):
            with env.case(f"published by GStreamer over {transport}, read in the clear"):
                require("gst-launch-1.0")
                room = f"secret-{transport}"
                command = ("gst-launch-1.0 -q videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=25/1 "
                           "! videoconvert ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 ! h264parse "
                           "config-interval=-1 ! sink. rtspclientsink name=sink profiles=savp tls-validation-flags=0 "
                           f"protocols={transport} location={server.rtsps(room)}")
                publisher = subprocess.Popen(command.split(), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                try:
                    server.wait_for_room(room)
                    ffmpeg_reads(server.rtsp(room), "tcp")
                    check(publisher.poll() is None, "the publisher ended by itself")
                finally:
                    publisher.terminate()
                    publisher.wait()
