import Codecs
public import RTP
public import Wire

/// Standby publishers: they send all the time, and the room lets one of them in at a keyframe when the active one ends
/// or falls silent, and goes back to the primary one by its policy. One that is needed and ignores requests is let in
/// at its last keyframe, from which viewers catch up.
///
/// Viewers are not told of a switch: their streams go on under the same numbers, as they do over a restart.
extension Room {
    // MARK: media

    /// Takes one packet of a publication of this room, whether active or waiting.
    ///
    /// - Parameters:
    ///   - packet: the whole plaintext packet; copied.
    ///   - layer: which of the lane's encodings it belongs to.
    /// - Returns: whether a random access point of the layer starts with this packet.
    public func receive(
        _ packet: RawSpan, header: RTPHeader, kind: MediaKind, layer: Int, generation: UInt32, at now: Instant
    ) -> Bool {
        guard generation == activeGeneration else {
            return receiveFromStandby(packet, header, kind, layer, generation, at: now)
        }
        if !standbys.isEmpty, !header.isPaddingOnly, let active, active.leadingKind == kind {
            self.active?.activity.heard(at: now, pause: active.silenceLimit(policy.standby))
        }
        return track(kind).onLoop { $0.receive(packet, header: header, layer: layer, generation: generation, at: now) }
    }

    private func receiveFromStandby(
        _ packet: RawSpan, _ header: RTPHeader, _ kind: MediaKind, _ layer: Int, _ generation: UInt32, at now: Instant
    ) -> Bool {
        guard let index = standbys.firstIndex(where: { $0.publication.generation == generation }),
            !header.isPaddingOnly, let lane = standbys[index].lane(kind), layer < lane.layerCount
        else { return false }
        // Its clocks run all the time, so that sound and picture are aligned from the first packet shown.
        let captured = standbys[index].publication.onLoop {
            $0.captured(packet, header, kind: kind, layer: layer, arrival: now)
        }
        let summary = PayloadInspector.inspect(packet.extracting(header.payload), codec: lane.format.codec)
        if kind == .video, let picture = standbys[index].picture {
            let extensions = HeaderExtensionIndex(header, in: packet, map: lane.extensions)
            picture.received(
                packet,
                RunEntry(
                    header: header, layer: layer, summary: summary, captured: captured, extensions: extensions,
                    arrival: now))
        }
        let isLeading = standbys[index].leadingKind == kind
        if isLeading {
            standbys[index].activity.heard(at: now, pause: standbys[index].silenceLimit(policy.standby))
        }
        guard isLeading, kind == .audio || summary.isKeyframeStart, let reason = reasonToSwitch(to: index, at: now)
        else { return summary.isKeyframeStart }
        // The packet at hand is what viewers begin with.
        standbys[index].picture = nil
        switchOver(to: index, reason)
        return track(kind).onLoop { $0.receive(packet, header: header, layer: layer, generation: generation, at: now) }
    }

    // MARK: switching

    /// Why the publisher at `index` is to be shown now that it can be; nil when it has to go on waiting.
    private func reasonToSwitch(to index: Int, at now: Instant) -> SwitchReason? {
        guard let active else { return .publisherEnded }
        if !isHeard(active, at: now) { return .publisherSilent }
        return isReturnDue(standbys[index], at: now) ? .primaryReturned : nil
    }

    private func isReturnDue(_ source: RoomSource, at now: Instant) -> Bool {
        guard let active, active.isBackup, !source.isBackup,
            case .afterNanoseconds(let wanted) = policy.standby.returning,
            let flowing = source.activity.flowingNanoseconds(pause: source.silenceLimit(policy.standby), at: now)
        else { return false }
        return flowing >= Int64(clamping: wanted)
    }

    /// Whether the active publisher sends. Where it has only sound, its reports count too.
    private func isHeard(_ active: RoomSource, at now: Instant) -> Bool {
        if active.isFlowing(policy.standby, at: now) { return true }
        guard active.leadingKind == .audio, let reported = active.publication.onLoop({ $0.lastReport }) else {
            return false
        }
        return now.nanoseconds(since: reported) < Int64(clamping: active.silenceLimit(policy.standby))
    }

    private func switchOver(to index: Int, _ reason: SwitchReason) {
        let source = standbys.remove(at: index)
        let previous = active
        activate(source, isSwitch: true)
        if let previous { insert(previous) }
        observer(.publisherSwitched(from: previous?.peerID, to: source.peerID, reason))
        watchActivePublisher()
    }

    // MARK: who waits

    /// Lets a publisher wait: the primary one first, backups in the order in which they came.
    func insert(_ source: RoomSource) {
        var source = source
        source.picture =
            policy.cachesKeyframes ? source.lane(.video).map { StandbyPicture(layerCount: $0.layerCount) } : nil
        source.askedSince = nil
        if source.isBackup { standbys.append(source) } else { standbys.insert(source, at: 0) }
    }

    /// Begins to watch over the active publisher, or goes on with it, while somebody waits to take its place.
    func watchActivePublisher() {
        guard !standbys.isEmpty else {
            standbyTimer?.cancel()
            return
        }
        // What was not noted while nobody waited is taken for granted.
        if let active, active.activity.last == nil {
            self.active?.activity.heard(at: loop.now, pause: active.silenceLimit(policy.standby))
        }
        if standbyTimer == nil {
            standbyTimer = loop.makeTimer { [weak self] in self?.onLoop { $0.lookAfterStandbys() } }
        }
        if standbyTimer?.deadline == nil {
            standbyTimer?.schedule(at: loop.now.advanced(byMilliseconds: StandbyPolicy.lookMilliseconds))
        }
    }

    /// Asks the publisher that is to be shown next for the keyframe at which that can be done.
    func lookAfterStandbys() {
        defer { watchActivePublisher() }
        let now = loop.now
        if let active, isHeard(active, at: now) {
            for index in standbys.indices { standbys[index].askedSince = nil }
            guard let primary = standbys.first, isReturnDue(primary, at: now) else { return }
            requestKeyframe(of: primary)
        } else if let index = standbys.firstIndex(where: { $0.isFlowing(policy.standby, at: now) }) {
            if wasAskedInVain(standbys[index], at: now), let reason = reasonToSwitch(to: index, at: now) {
                return switchOver(to: index, reason)
            }
            if standbys[index].askedSince == nil { standbys[index].askedSince = now }
            requestKeyframe(of: standbys[index])
        }
    }

    /// Whether viewers are to begin at the last keyframe of a publisher, because they would have to wait for its next.
    private func wasAskedInVain(_ source: RoomSource, at now: Instant) -> Bool {
        guard source.picture?.hasKeyframe == true, let lane = source.lane(.video) else { return false }
        guard lane.answersKeyframeRequests else { return true }
        guard let asked = source.askedSince else { return false }
        return now.milliseconds(since: asked) >= Int64(FastStart.patienceMilliseconds)
    }

    private func requestKeyframe(of source: RoomSource) {
        guard let lane = source.lane(.video) else { return }
        for layer in 0..<lane.layerCount { source.publisher.requestKeyframe(.video, layer: layer) }
    }
}
