import Loop
import RTSP
import SDP
import Streams
import Wire

/// What requests ask for. Whatever was awaited, the connection may be gone afterwards; then there is nobody to answer.
extension RTSPConnection {
    func perform(_ operation: RTSPOperation) async {
        switch operation {
        case .describe(let target): await describe(target)
        case .setUp(let target): await setUp(target)
        case .play(let tracks): await play(tracks, operation)
        case .pause(let tracks): pause(tracks)
        case .announce(let target, let description): await announce(target, description)
        case .record: await record(operation)
        case .tearDown:
            machine.done()
            leaveRoom()
            renewKeys()
        case .getParameters: machine.read(publishing?.parameters ?? reading?.parameters(of: peerID) ?? [:])
        case .resume(let session): await resume(session)
        }
        drive()
    }

    // MARK: reading

    private func describe(_ target: RTSPTarget) async {
        guard let offer = await offer(target) else { return }
        let wantsMulticast =
            target.hasQueryItem("vlcmulticast") && machine.configuration.deliveries.contains(.multicast)
        machine.described(
            by: RTSPDescriptionWriter.write(
                room: offer.room.room, formats: offer.formats, version: offer.entry.numericID,
                group: wantsMulticast ? service.datagrams?.groups.placeholder : nil, keyMessage: keyMessages(offer),
                backChannel: machine.wantsBackChannel ? offer.backChannel : nil))
    }

    /// The server's keys of each track, for clients that are to encrypt.
    func keyMessages(_ offer: RTSPReaderOffer) -> ((MediaKind) -> [UInt8])? {
        guard describesSecurely, let message = machine.configuration.keyMessage else { return nil }
        return { message([RTSPReaders.ssrc($0, numericID: offer.entry.numericID)]) }
    }

    private func setUp(_ target: RTSPTarget) async {
        // The tracks of a session keep their numbers whatever becomes of the room meanwhile.
        if let reading, reading.offer.room.room == target.path {
            guard await maySpeak(target, reading.offer) else { return }
            return machine.found(ssrcs: ssrcs(of: reading.offer)) { group(ofTrack: $0, in: reading) }
        }
        guard let offer = await offer(target), await maySpeak(target, offer) else { return }
        let reading = RTSPReading(offer)
        self.reading = reading
        machine.found(ssrcs: ssrcs(of: offer)) { group(ofTrack: $0, in: reading) }
        // What became of no session is looked up again the next time: the room may have changed by then.
        if machine.session == nil { self.reading = nil }
    }

    /// The multicast group in which the client's network gets a track, held from now on.
    private func group(ofTrack track: Int, in reading: RTSPReading) -> RTSPMulticastGroup? {
        guard let groups = service.datagrams?.groups, let interface = localAddress,
            reading.offer.formats.indices.contains(track)
        else { return nil }
        let key = RTSPMulticastGroups.Key(
            room: reading.offer.entry.numericID, kind: reading.offer.formats[track].kind,
            interface: interface.withPort(0))
        guard let lease = groups.lease(key) else { return nil }
        reading.offer.leases[track] = lease
        return lease.group
    }

    private func ssrcs(of offer: RTSPReaderOffer) -> [UInt32?] {
        offer.formats.map { RTSPReaders.ssrc($0.kind, numericID: offer.entry.numericID) }
            + (offer.backChannel == nil ? [] : [nil])
    }

    /// Whether the client may have the track it asks for: to be heard takes what publishing takes.
    private func maySpeak(_ target: RTSPTarget, _ offer: RTSPReaderOffer) async -> Bool {
        guard offer.backChannel != nil, target.track == offer.formats.count else { return true }
        return await isAllowed(.publish, target)
    }

    /// What there is to read; nil when the request has been refused.
    private func offer(_ target: RTSPTarget) async -> RTSPReaderOffer? {
        guard await isAllowed(.read, target) else { return nil }
        if let elsewhere = service.settings().redirection(of: target.path) {
            // What was asked for in secret is not told to be asked for in the clear (RTSP-33).
            if isSecure, !elsewhere.isSecure {
                refuse(
                    .notFound, .conflict, "the path leads to a server without TLS (sourceRedirect)", as: .viewer,
                    in: target.path)
            } else {
                machine.redirect(to: elsewhere.text)
            }
            return nil
        }
        guard let room = service.settings().room(named: target.path) else {
            refuse(
                .notFound, .unknownRoom, "the configuration has no room of this name (paths)", as: .viewer,
                in: target.path)
            return nil
        }
        switch await service.bring(room) {
        case .plays: break
        case .isSilent:
            refuse(
                .notFound, .nobodyPublishes, "the source of this room does not play; the server's log says why",
                as: .viewer, in: target.path)
            return nil
        case .tooMany:
            refuse(
                .serviceUnavailable, .limitReached, "the server pulls too many sources of patterns", as: .viewer,
                in: target.path)
            return nil
        }
        guard let entry = await service.directory.room(named: room.room) else {
            refuse(.notFound, .nobodyPublishes, "nobody publishes here", as: .viewer, in: target.path)
            return nil
        }
        let formats = await entry.room.formats
        guard !formats.isEmpty else {
            refuse(.notFound, .nobodyPublishes, "nobody publishes here", as: .viewer, in: target.path)
            return nil
        }
        return RTSPReaderOffer(
            room: room, entry: entry, formats: formats, backChannel: service.backChannels.channel(of: room.room))
    }

    private func play(_ tracks: Set<Int>, _ operation: RTSPOperation) async {
        guard let reading else { return machine.refuse(.internalError) }
        let offer = reading.offer
        if !reading.hasJoined {
            if offer.entry.loop !== eventLoop {
                if await !move(to: offer.entry.loop, for: operation) { machine.refuse(.internalError) }
                return
            }
        }
        // Tracks may have been set up since the session played last.
        guard await registerDatagrams() else { return }
        if !reading.hasJoined {
            guard await join(reading) else { return }
            keepSession()
        }
        let started = machine.session?.activeTracks ?? []
        let readers = RTSPReaders.of(offer.entry, counters: service.counters) { service.webrtc.newPeerID() }
        let beginning = (machine.session?.media ?? []).filter {
            tracks.contains($0.track) && !started.contains($0.track)
        }
        machine.played(from: ownNumbers(positions(of: beginning, offer, readers), of: beginning, offer))
        // The answer goes before the first packet (RTSP-9).
        drive()
        guard !isGone else { return readers.onLoop { $0.remove(peerID) } }
        for media in beginning {
            guard offer.formats.indices.contains(media.track), let way = way(of: media, reading) else { continue }
            let isShared = media.transport.delivery == .multicast
            let output = RTSPReaderOutput(peerID: isShared ? service.webrtc.newPeerID() : peerID, way: way)
            guard readers.onLoop({ $0.add(self, offer.formats[media.track], output, isShared: isShared) }) else {
                return close(PeerEnd(.codecChanged))
            }
        }
    }

    private func positions(
        of media: [RTSPServerSession.Media], _ offer: RTSPReaderOffer, _ readers: RTSPReaders
    ) -> [Int: (sequenceNumber: UInt16?, timestamp: UInt32?)] {
        var openings: [Int: RTSPOpening] = [:]
        for item in media where offer.formats.indices.contains(item.track) {
            openings[item.track] = readers.onLoop {
                $0.opening(
                    offer.formats[item.track].kind,
                    isShared: item.transport.delivery == .multicast)
            }
        }
        return RTSPOpening.positions(openings, at: eventLoop.now)
    }

    private func way(of media: RTSPServerSession.Media, _ reading: RTSPReading) -> RTSPReaderOutput.Way? {
        if media.transport.isSecure { return .protected(self, track: media.track) }
        if let channels = media.transport.channels { return .connection(self, channels) }
        guard let datagrams = service.datagrams else { return nil }
        let arena = datagrams.arena(of: eventLoop)
        if let lease = reading.offer.leases[media.track] {
            return .datagrams(arena, RTSPTuples(to: lease, from: datagrams.ports))
        }
        return tuples(of: media).map { .datagrams(arena, $0) }
    }

    /// Has datagrams of the client's ports brought here; `false` when the request has been refused.
    private func registerDatagrams() async -> Bool {
        let all = (machine.session?.media ?? []).compactMap { tuples(of: $0) }.flatMap { [$0.rtp, $0.rtcp] }
        let wanted = all.filter { !registered.contains($0) }
        guard !wanted.isEmpty else { return true }
        guard let datagrams = service.datagrams else {
            machine.refuse(.internalError)
            return false
        }
        if let publishing, publishing.announced.room.path.rtspAnyPort {
            let tracks = (machine.session?.media ?? []).compactMap { media -> (RTSPTuples, UInt8)? in
                guard let tuples = tuples(of: media), publishing.announced.media.indices.contains(media.track) else {
                    return nil
                }
                return (tuples, publishing.announced.media[media.track].payloadType)
            }
            registered += wanted
            await datagrams.receiver.register(self, anyPort: tracks)
            guard isGone else { return true }
            await datagrams.receiver.unregister(peerID, wanted)
            return false
        }
        // A client that lost its connection and began anew has its ports back.
        if let holder = await datagrams.receiver.holder(of: wanted, besides: self), await holder.makesWay() {
            await datagrams.receiver.unregister(holder.peerID, wanted)
        }
        guard await datagrams.receiver.register(self, wanted) else {
            machine.refuse(.badRequest, RTSPClientPorts.problem)
            return false
        }
        guard !isGone else {
            await datagrams.receiver.unregister(peerID, wanted)
            return false
        }
        registered += wanted
        return true
    }

    /// Becomes a viewer of the room; `false` when the request has been refused.
    private func join(_ reading: RTSPReading) async -> Bool {
        let offer = reading.offer
        let ticket: SessionLimits.Ticket
        do throws(SessionLimits.Refusal) {
            ticket = try await service.registry.enter(.viewer, room: offer.room, from: remoteAddress)
        } catch {
            refuse(
                .serviceUnavailable, .limitReached, "the limit \(error.rawValue) is reached", as: .viewer,
                in: offer.room.room)
            return false
        }
        do throws(RoomError) {
            guard !isGone else { throw .closed }
            try offer.entry.room.onLoop { room throws(RoomError) in try room.join(self) }
        } catch {
            await service.registry.leave(ticket)
            refuse(.notFound, .nobodyPublishes, "nobody publishes here any more", as: .viewer, in: offer.room.room)
            return false
        }
        reading.joined(ticket)
        service.hub.publish(.viewerJoined(room: offer.room.room, description))
        return true
    }

    private func pause(_ tracks: Set<Int>) {
        if let reading {
            let kinds = Set(
                tracks.compactMap { track in
                    reading.offer.formats.indices.contains(track) ? reading.offer.formats[track].kind : nil
                })
            reading.offer.entry.room.onLoop { $0.bridge(RTSPReaders.self) }?.onLoop { $0.remove(peerID, kinds: kinds) }
        }
        machine.done()
    }

    // MARK: publishing

    private func announce(_ target: RTSPTarget, _ description: [UInt8]) async {
        guard await isAllowed(.publish, target) else { return }
        guard let room = service.settings().room(named: target.path) else {
            let problem = RoomName.problem(with: target.path)
            return refuse(
                .notFound, .unknownRoom, problem ?? "the configuration has no room of this name (paths)",
                as: .publisher, in: target.path)
        }
        guard room.path.source == .publisher else {
            return refuse(
                .forbidden, .conflict, "the server pulls this room's media itself (source)", as: .publisher,
                in: target.path)
        }
        let media: [RTSPAnnouncedMedia]
        do throws(SDPError) {
            media = try RTSPDescriptionReader.read(description)
        } catch {
            return refuse(
                .badRequest, .negotiationFailed, "the description cannot be read: \(error)", as: .publisher,
                in: target.path)
        }
        guard media.contains(where: { $0.format != nil }) else {
            return refuse(
                .unsupportedMediaType, .negotiationFailed, "the description has neither audio nor video",
                as: .publisher, in: target.path)
        }
        publishing = RTSPPublishing(RTSPAnnouncement(room: room, media: media))
        machine.announced(
            controls: media.map(\.control), keys: media.map(\.keys), comesFromAnyPort: room.path.rtspAnyPort)
    }

    private func record(_ operation: RTSPOperation) async {
        guard let publishing else { return machine.refuse(.internalError) }
        // It goes on after a pause.
        guard !publishing.hasBegun else { return machine.done() }
        let announced = publishing.announced
        // A room that emptied a moment ago refuses everybody; its name is free for a new one then.
        for _ in 0..<2 {
            let entry: RoomEntry
            do throws(RoomDirectory.DirectoryError) {
                entry = try await service.directory.open(
                    announced.room.room, policy: RoomPolicy(announced.room), limit: service.settings().maxRooms)
            } catch {
                return refuse(
                    .serviceUnavailable, .limitReached, "the server takes no further rooms (maxRooms)", as: .publisher,
                    in: announced.room.room)
            }
            guard entry.loop === eventLoop else {
                if await !move(to: entry.loop, for: operation) {
                    await entry.room.closeIfEmpty()
                    machine.refuse(.internalError)
                }
                return
            }
            guard await registerDatagrams() else { return await entry.room.closeIfEmpty() }
            let ticket: SessionLimits.Ticket
            do throws(SessionLimits.Refusal) {
                ticket = try await service.registry.enter(.publisher, room: announced.room, from: remoteAddress)
            } catch {
                await entry.room.closeIfEmpty()
                return refuse(
                    .serviceUnavailable, .limitReached, "the limit \(error.rawValue) is reached", as: .publisher,
                    in: announced.room.room)
            }
            do throws(RoomError) {
                guard !isGone else { throw .closed }
                let lanes = RTSPIngest.lanes(of: announced.media)
                let publication = try entry.room.onLoop { room throws(RoomError) in
                    try room.publish(self, lanes: lanes)
                }
                publishing.began(in: entry.room, publication, ticket, service: service)
                service.hub.publish(.publisherStarted(room: announced.room.room, description))
                startReports()
                keepSession()
                return machine.done()
            } catch {
                await service.registry.leave(ticket)
                guard !isGone else { return await entry.room.closeIfEmpty() }
                guard error == .closed else {
                    return refuse(
                        .forbidden, .conflict,
                        "somebody publishes here already; overridePublisher would let you take over", as: .publisher,
                        in: announced.room.room)
                }
                await service.directory.discard(entry)
            }
        }
        refuse(
            .serviceUnavailable, .conflict, "the room is being closed; try again", as: .publisher,
            in: announced.room.room)
    }
}
