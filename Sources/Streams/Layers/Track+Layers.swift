public import Wire

/// Which layers there are and who gets which (RTP-110, RTP-116). On the room's loop, like all of the track.
extension Track {
    /// What viewers can choose from, as it is being received now; of a single encoding without layers one entry.
    public var availableLayers: [LayerDescription] { layers.descriptions(at: loop.now) }

    /// What a viewer asked for and gets; nil when it has no DownTrack here.
    public func layers(of viewer: PeerID) -> ViewerLayers? { downTrack(of: viewer)?.layers }

    /// Makes a viewer's choice: nothing above `preference`, and below it what its link carries. It goes on with what it
    /// has until a keyframe of the new choice comes, which is asked for at once.
    ///
    /// - Returns: false when the viewer has no DownTrack here, or the preference names an encoding that there is not.
    public func chooseLayers(_ preference: LayerPreference, for viewer: PeerID) -> Bool {
        guard let downTrack = downTrack(of: viewer) else { return false }
        if let encoding = preference.encoding, !layers.encodings.indices.contains(encoding) { return false }
        var preference = preference
        if let encoding = preference.encoding, layers.names.indices.contains(encoding) {
            preference.encodingName = layers.names[encoding]
        }
        downTrack.prefer(preference)
        chooseLayers(of: downTrack, at: loop.now)
        requestKeyframes(of: downTrack.awaitedEncodings(at: loop.now))
        return true
    }

    /// The best layer that has been there for a while: the one to record or to repackage (RTP-118).
    public var highestStableLayer: LayerChoice? { layers.ladder.highestStable?.choice }

    /// Chooses every viewer's layers anew, when it is time.
    func chooseLayersIfDue(at now: Instant) {
        guard layers.hasChoice, layers.isDue(at: now) else { return }
        if layers.evaluate(at: now) { observer(.layersChanged(layers.descriptions(at: now))) }
        for downTrack in downTracks { downTrack.chooseLayers(from: layers.ladder, at: now) }
    }

    func chooseLayers(of downTrack: DownTrack, at now: Instant) {
        guard layers.hasChoice else { return }
        downTrack.chooseLayers(from: layers.ladder, at: now)
    }

    /// Asks for keyframes of encodings, given as bits.
    func requestKeyframes(of encodings: UInt64) {
        var remaining = encodings
        while remaining != 0 {
            requestKeyframe(of: remaining.trailingZeroBitCount)
            remaining &= remaining - 1
        }
    }
}
