import RTSP
import Streams
import Wire

/// Sessions that outlive their connection, and requests of the server's own.
extension RTSPConnection {
    /// Lets other connections of the same client take the session up, if its media travels beside this one (RTSP-10).
    func keepSession() {
        guard let session = machine.session, session.delivery != .tcp else { return }
        keptSession = session.id
        service.keep(session.id, of: self)
    }

    func forgetSession() {
        guard let keptSession else { return }
        service.forget(session: keptSession, of: self)
        self.keptSession = nil
    }

    /// Ends a session whose client has no connection any more; `false` when it has one.
    func makesWay() -> Bool {
        guard isDisconnected else { return false }
        close(.replaced)
        return true
    }

    /// A request names a session that is not this connection's.
    func resume(_ session: String) async {
        // An identifier is worth something only where it was given out.
        guard let owner = service.connection(ofSession: session), owner.remoteAddress.host == remoteAddress.host,
            kind.outputTunnel == nil
        else {
            return machine.refuse(.sessionNotFound, "this connection has no such session")
        }
        if await !hand(to: owner), !isOver { machine.refuse(.sessionNotFound, "the session cannot be taken up now") }
    }

    /// Tells a reader what the room has become (R4): it may describe and set it up anew.
    func tellNewDescription() {
        guard let offer = reading?.offer else { return }
        let formats = offer.entry.room.onLoop { $0.formats }
        guard !formats.isEmpty else { return }
        machine.tell(
            .announce, [("Content-Type", "application/sdp")],
            body: RTSPDescriptionWriter.write(
                room: offer.room.room, formats: formats, version: offer.entry.numericID, keyMessage: keyMessages(offer))
        )
        drive()
    }

    /// Sends the client elsewhere when its path now leads there (R13), and ends the session.
    func followRedirection() {
        guard let session = machine.session, let url = service.settings().redirection(of: session.target.path),
            url.isSecure || !isSecure
        else { return }
        machine.tell(.redirect, [("Location", url.text), ("Range", "npt=now-")])
        drive()
        close(PeerEnd(.left, "the path leads to another server now"))
    }
}
