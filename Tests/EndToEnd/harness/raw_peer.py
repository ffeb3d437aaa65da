"""A WebRTC client put together by hand: HTTP, STUN, DTLS and SRTP, each step in sight and each omission possible.

It stands in for OBS, counts what a viewer gets to the packet, and joins and leaves much faster than a browser.
"""

import secrets
import select
import socket
import struct
import threading
import time

from OpenSSL import SSL, crypto
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
import datetime
import pylibsrtp

from harness import stun, web
from harness.runner import check, patient
from harness.sdp import Answer

CHECK_INTERVAL = 2.0
# 201 is WHIP's and WHEP's; SigmaMediaServer's viewers get 200.
CREATED = (200, 201)
GOODBYE = 203
PROFILES = {
    b"SRTP_AEAD_AES_128_GCM": (pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12),
    b"SRTP_AEAD_AES_256_GCM": (pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 32, 12),
    b"SRTP_AES128_CM_SHA1_80": (pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14),
}
GCM_AND_CM = b"SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80"


def _make_certificate():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "raw peer")])
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - day).not_valid_after(now + 30 * day)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    fingerprint = ":".join(f"{byte:02X}" for byte in certificate.fingerprint(hashes.SHA256()))
    return crypto.X509.from_cryptography(certificate), crypto.load_privatekey(crypto.FILETYPE_PEM, pem), fingerprint


_certificate, _key, _fingerprint = _make_certificate()


class Identity:
    """What an offer says about its sender. One certificate for the process, ICE credentials for each peer."""

    def __init__(self):
        self.ufrag = secrets.token_hex(4)
        self.password = secrets.token_hex(12)
        self.fingerprint = _fingerprint


class RawPeer:
    """`offer` is a function from Identity to SDP. Override received_rtp and received_rtcp to look at the media."""

    def __init__(self, url, offer, token=None, srtp_profiles=GCM_AND_CM, relay=None):
        self.url = url
        self.relay = relay
        self.token = token
        self.identity = Identity()
        self.offer = offer(self.identity)
        self.srtp_profiles = srtp_profiles
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.response = None
        self.etag = None
        self.answer = None
        self.remote = None
        self.is_connected = False
        self.was_closed_by_server = False
        self.was_told_goodbye = False
        self.errors = []
        self._earlier_sockets = []
        self._tls = None
        self._outbound = self._inbound = None
        self._check_sent = 0.0
        self._nominated = False
        self._thread = None
        self._stopping = threading.Event()

    # Signalling

    def post(self):
        """Sends the offer; the response, whatever it says."""
        self.response = web.post_offer(self.url, self.offer, self.token)
        if self.response.status in CREATED:
            self.answer = Answer(self.response.text)
            self.etag = self.response.header("ETag")
            check(self.answer.candidates, "the answer has a UDP host candidate")
            self.remote = self.relay.address if self.relay else self.answer.candidates[0]
            self._bind()
        return self.response

    def _bind(self):
        self.socket.bind(("127.0.0.1" if self.remote[0].startswith("127.") else "0.0.0.0", 0))

    @property
    def session(self):
        return web.session_target(self.response)

    def delete(self):
        origin = self.url[: self.url.index("/", len("http://"))]
        return web.request(origin, "DELETE", self.session, headers=web.bearer(self.token))

    def request_restart(self, ufrag, password, condition=None):
        """PATCHes an ICE restart; the response."""
        origin = self.url[: self.url.index("/", len("http://"))]
        fragment = f"a=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}\r\n"
        headers = {"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": condition or self.etag}
        response = web.request(origin, "PATCH", self.session, fragment, {**headers, **web.bearer(self.token)})
        if response.status == 200:
            self.etag = response.header("ETag")
        return response

    def restart(self, rebind=False):
        """Restarts ICE and goes on with the new credentials, from another port if wanted."""
        identity = Identity()
        response = self.request_restart(identity.ufrag, identity.password)
        check(response.status == 200, f"PATCH: {response.status} {response.text[:200]}")
        self.answer.take_restart(response.text)
        self.identity = identity
        self._check_sent = 0.0
        if rebind:
            self.rebind()

    def rebind(self):
        """Goes on from another port, as behind a NAT that forgot the old one; what still comes there is read too."""
        old, fresh = self.socket, socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        fresh.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket = fresh
        self._bind()
        self._earlier_sockets.append(old)
        self._check_sent = 0.0

    # Transport

    def connect(self, deadline=10):
        """POST, then ICE and DTLS until media can flow."""
        response = self.post()
        check(response.status in CREATED, f"POST {self.url}: {response.status} {response.text[:200]}")
        self.establish(deadline)
        return self

    def establish(self, deadline=10):
        self.prepare()
        end = time.monotonic() + patient(deadline)
        while not self.is_connected:
            check(time.monotonic() < end, f"no connection to {self.remote} within {deadline} s")
            self.pump(0.05)
        return self

    def prepare(self):
        """Makes what is needed to connect; that happens while pumping."""
        context = SSL.Context(SSL.DTLS_METHOD)
        context.use_certificate(_certificate)
        context.use_privatekey(_key)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        context.set_tlsext_use_srtp(self.srtp_profiles)
        context.set_cipher_list(b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384")
        self._tls = SSL.Connection(context)
        self._tls.set_ciphertext_mtu(1200)
        if self.answer.setup == "active":
            self._tls.set_accept_state()
        else:
            self._tls.set_connect_state()

    def pump(self, seconds):
        """Handles what arrives, and sends checks when due, for that long."""
        end = time.monotonic() + seconds
        while True:
            now = time.monotonic()
            interval = CHECK_INTERVAL if self._nominated else 0.1
            if now - self._check_sent >= interval:
                self._check_sent = now
                _, datagram = stun.connectivity_check(
                    self.identity.ufrag, self.answer.ufrag, self.answer.password)
                self.send(datagram)
            if self._tls is not None and self._nominated and not self.is_connected:
                self._advance_handshake()
            left = end - time.monotonic()
            ready, _, _ = select.select([self.socket, *self._earlier_sockets], [], [], max(0.0, min(left, 0.05)))
            for one in ready:
                self._receive(one)
            if left <= 0:
                return

    def send(self, datagram):
        try:
            self.socket.sendto(datagram, self.remote)
        except OSError as error:
            self.errors.append(str(error))

    def _receive(self, one):
        while True:
            try:
                datagram, source = one.recvfrom(2048, socket.MSG_DONTWAIT)
            except (BlockingIOError, ConnectionRefusedError):
                return
            if not datagram:
                continue
            first = datagram[0]
            if first < 4:
                self._received_stun(datagram, source)
            elif 20 <= first < 64 and self._tls is not None:
                self._received_dtls(datagram)
            elif 128 <= first < 192 and self._inbound is not None:
                self._received_srtp(datagram)

    def _received_stun(self, datagram, source):
        kind, _ = stun.kind_and_transaction(datagram)
        if kind == stun.BINDING_SUCCESS:
            self._nominated = True
        elif kind == stun.BINDING_REQUEST:
            self.socket.sendto(stun.success(datagram, source, self.identity.password), source)

    def _received_dtls(self, datagram):
        self._tls.bio_write(datagram)
        if not self.is_connected:
            self._advance_handshake()
            return
        try:
            self._tls.recv(2048)
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.was_closed_by_server = True
        except SSL.Error as error:
            self.errors.append(repr(error))

    def _advance_handshake(self):
        try:
            self._tls.DTLSv1_handle_timeout()
            self._tls.do_handshake()
            self._derive_keys()
            self.is_connected = True
        except SSL.WantReadError:
            pass
        self._flush_dtls()

    def _flush_dtls(self):
        flight = b""
        while True:
            try:
                flight += self._tls.bio_read(65536)
            except SSL.WantReadError:
                break
        while len(flight) >= 13:
            size = 13 + struct.unpack_from(">H", flight, 11)[0]
            self.send(flight[:size])
            flight = flight[size:]

    def _derive_keys(self):
        profile, key_size, salt_size = PROFILES[self._tls.get_selected_srtp_profile()]
        block = self._tls.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (key_size + salt_size))
        keys, salts = block[: 2 * key_size], block[2 * key_size:]
        client = keys[:key_size] + salts[:salt_size]
        server = keys[key_size:] + salts[salt_size:]
        is_client = self.answer.setup != "active"
        policy = pylibsrtp.Policy

        def session(key, direction):
            one = policy(key=key, ssrc_type=direction, srtp_profile=profile)
            one.window_size = 4096
            one.allow_repeat_tx = True
            return pylibsrtp.Session(policy=one)

        self._outbound = session(client if is_client else server, policy.SSRC_ANY_OUTBOUND)
        self._inbound = session(server if is_client else client, policy.SSRC_ANY_INBOUND)

    def _received_srtp(self, datagram):
        try:
            if 192 <= datagram[1] < 224:
                compound = self._inbound.unprotect_rtcp(datagram)
                self.was_told_goodbye |= any(kind == GOODBYE for kind, _, _ in rtcp_packets(compound))
                self.received_rtcp(compound)
            else:
                self.received_rtp(self._inbound.unprotect(datagram))
        except pylibsrtp.Error as error:
            self.errors.append(str(error))

    def received_rtp(self, packet):
        pass

    def received_rtcp(self, packet):
        pass

    def protect(self, packet):
        return self._outbound.protect(packet)

    def send_rtcp(self, packet):
        self.send(self._outbound.protect_rtcp(packet))

    # In the background

    def start(self):
        """Connects, then goes on pumping in a thread of its own until stop()."""
        self.connect()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def _run(self):
        while not self._stopping.is_set():
            self.pump(0.05)

    def stop(self):
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(5)
        self._close()

    def _close(self):
        for one in [self.socket, *self._earlier_sockets]:
            one.close()

    def leave(self):
        """Ends the session as a well-behaved client does; the DELETE's response."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(5)
        response = self.delete()
        self._close()
        return response


def rtcp_packets(compound):
    """(payload type, count or format, body) of each packet of a compound."""
    offset = 0
    while offset + 4 <= len(compound):
        first, kind, words = struct.unpack_from(">BBH", compound, offset)
        size = 4 * (words + 1)
        yield kind, first & 0x1F, compound[offset + 4:offset + size]
        offset += size


class RawViewer(RawPeer):
    """Counts what arrives: packets, holes in the sequence, and the longest silence, for each SSRC."""

    def __init__(self, url, video="H264", token=None, **arguments):
        from harness.sdp import viewer_offer

        super().__init__(url, lambda identity: viewer_offer(identity, video), token, **arguments)
        self.streams = {}

    def received_rtp(self, packet):
        kind, sequence, timestamp, ssrc = struct.unpack_from(">xBHII", packet)
        now = time.monotonic()
        stream = self.streams.setdefault(
            ssrc, {"kind": "audio" if kind & 127 == 111 else "video", "packets": 0, "seen": set(), "first": sequence,
                   "last": sequence, "silence": 0.0, "at": now, "timestamps": set()})
        stream["packets"] += 1
        stream["silence"] = max(stream["silence"], now - stream["at"])
        stream["at"] = now
        ahead = (sequence - stream["last"]) & 0xFFFF
        if ahead < 0x8000:
            stream["last"] = sequence
        stream["seen"].add(sequence)
        stream["timestamps"].add(timestamp)

    def of_kind(self, kind):
        """The figures of the audio or the video: packets, missing, longest silence in seconds, frames."""
        streams = [stream for stream in list(self.streams.values()) if stream["kind"] == kind]
        figures = {"ssrcs": len(streams), "packets": 0, "missing": 0, "silence": 0.0, "frames": 0}
        for stream in streams:
            expected = ((stream["last"] - stream["first"]) & 0xFFFF) + 1
            figures["packets"] += stream["packets"]
            figures["missing"] += expected - len(stream["seen"]) if expected < 0x8000 else 0
            figures["silence"] = max(figures["silence"], stream["silence"])
            figures["frames"] += len(stream["timestamps"])
        return figures

    def forget(self):
        """Begins to count anew."""
        self.streams = {}
