internal import Codecs
internal import Streams

/// Turns events into lines an operator can act on.
public struct LogSubscriber: Sendable {
    private let logger: Logger

    public init(_ logger: Logger) { self.logger = logger }

    /// Starts logging the events of `hub`.
    @discardableResult
    public static func attach(_ logger: Logger, to hub: EventHub) -> EventHub.Token {
        let subscriber = LogSubscriber(logger)
        return hub.subscribe { subscriber.received($0) }
    }

    public func received(_ record: EventRecord) {
        let logger = record.event.room.map { self.logger.with(LogField(.room, $0)) } ?? self.logger
        switch record.event {
        case .roomCreated: logger.debug("room created")
        case .roomClosed: logger.debug("room closed")
        case .publisherStarted(_, let peer): logger.info("publisher connected", fields(peer))
        case .publisherStopped(_, let peer, let reason):
            logger.log(reason.isFailure ? .warn : .info, "publisher disconnected", fields(peer) + fields(reason))
        case .publisherReplaced(_, let old, let new):
            logger.info("publisher replaced", fields(new) + [LogField(.from, old.id), LogField(.to, new.id)])
        case .standbyJoined(_, let peer): logger.info("backup publisher waits", fields(peer))
        case .standbyLeft(_, let peer): logger.info("waiting publisher left", fields(peer))
        case .publisherSwitched(_, let old, let new, let reason):
            let from = old.map { [LogField(.from, $0.id)] } ?? []
            logger.log(
                reason == .primaryReturned ? .info : .warn, "viewers see another publisher now",
                fields(new) + from + [LogField(.to, new.id), LogField(.reason, reason.rawValue)])
        case .viewerJoined(_, let peer): logger.info("viewer connected", fields(peer))
        case .viewerLeft(_, let peer, let reason):
            logger.info("viewer disconnected", fields(peer) + fields(reason))
        case .sessionFailed(_, let failure) where failure.progress == .refused:
            // Viewers that wait for a publisher are nobody's fault.
            logger.log(
                failure.reason.isFailure ? .warn : .info,
                failure.protocol == .rtsp ? "request refused" : "offer refused", fields(failure))
        case .sessionFailed(_, let failure): logger.warn("session failed", fields(failure))
        case .trackAdded(_, let track, _, let codec):
            logger.info("track added", [LogField(.track, track), LogField(.codec, codec.rawValue)])
        case .trackCodecChanged(_, let track, let old, let new):
            logger.info(
                "track codec changed",
                [LogField(.track, track), LogField(.from, old.rawValue), LogField(.to, new.rawValue)])
        case .soundConverted(_, let codec, let decoder):
            logger.info(
                "sound that browsers do not take is converted to Opus",
                [LogField(.codec, codec), LogField(.message, decoder)])
        case .soundOmitted(_, let codec, let reason, let advice):
            logger.warn(
                "viewers get no sound, because browsers do not take what is published",
                [LogField(.codec, codec), LogField(.reason, reason), LogField(.advice, advice)])
        case .certificateReloaded(let path): logger.info("certificate reloaded", [LogField(.path, path)])
        case .certificateReloadFailed(let path, let reason):
            logger.error(
                "certificate not reloaded, the old one stays",
                [LogField(.path, path), LogField(.reason, reason)])
        case .settingsReloaded(let version): logger.info("settings reloaded", [LogField(.version, version)])
        case .serverStarted: logger.info("server started")
        case .serverStopping: logger.info("server stopping")
        }
    }

    private func fields(_ peer: PeerDescription) -> [LogField] {
        var fields = [LogField(.peer, peer.id), LogField(.protocol, peer.protocol.rawValue)]
        if let remote = peer.remote { fields.append(LogField(.remote, remote)) }
        return fields
    }

    private func fields(_ failure: SessionFailure) -> [LogField] {
        var fields = [LogField(.role, failure.role.rawValue)]
        if let peer = failure.peer { fields.append(LogField(.peer, peer)) }
        fields.append(LogField(.protocol, failure.protocol.rawValue))
        if let remote = failure.remote { fields.append(LogField(.remote, remote)) }
        return fields + [LogField(.reason, "\(failure.reason.rawValue): \(failure.account)")] + advice(failure.advice)
    }

    private func fields(_ reason: EndReason) -> [LogField] {
        [LogField(.reason, reason.rawValue)] + advice(reason.advice)
    }

    private func advice(_ text: String?) -> [LogField] {
        text.map { [LogField(.advice, $0)] } ?? []
    }
}
