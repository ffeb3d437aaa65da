import HTTP
import Loop
import Streams
import Wire

extension MartletServer {
    /// Takes new settings as far as a running server can; sessions that exist stay (SEC-25). Those that need a restart
    /// are named in the log and keep their values.
    public func reload(_ new: ServerSettings) async {
        guard let running else { return }
        for key in startSettings.keysNeedingRestart(for: new) {
            logger.warn("a changed setting takes effect after a restart", [LogField(.setting, key)])
        }
        current.replace(new)
        log.setLevel(new.logLevel)
        running.authorizer.change(new)
        await running.events.authorizationChanged()
        running.limits.change(new)
        await running.service.registry.change(new)
        await running.http.use(ResponsePolicy(cors: CORSPolicy(allowedOrigins: new.webrtcAllowOrigins)))
        for entry in await running.directory.all {
            if let room = new.room(named: entry.room.name) { await entry.room.apply(RoomPolicy(room)) }
        }
        await running.sources.apply(new)
        await running.forwards.apply()
        await running.rtsp?.service.followRedirections()
        running.hostNames.use(new.webrtcAdditionalHosts)
        await running.hostNames.start()
        running.interfaces.refresh(at: MonotonicClock.now)
        updateCandidates(running.service, running.interfaces.all, running.hostNames.addresses)
        await reloadCertificates()
        hub.publish(.settingsReloaded(version: new.version))
    }

    /// Says that the settings could not be read again; the old ones stay in use.
    public nonisolated func reloadFailed(_ problems: [SettingProblem]) {
        for problem in problems {
            logger.error("settings not reloaded, the old ones stay", [LogField(.reason, "\(problem)")])
        }
    }

    /// Reads the certificate for HTTPS again; connections that exist keep the old one.
    public func reloadCertificates() async {
        await reloadRTSPCertificate()
        guard startSettings.webrtcEncryption, let running else { return }
        let files = CertificateFiles(current.current)
        do throws(ServerFault) {
            let context = try await files.load()
            await running.http.replaceTLS(context)
            running.check.use(context)
            hub.publish(.certificateReloaded(path: files.certificate))
        } catch {
            hub.publish(.certificateReloadFailed(path: files.certificate, reason: error.description))
        }
    }

    private func reloadRTSPCertificate() async {
        guard startSettings.rtsp, startSettings.rtspEncryption != .no, let rtsp = running?.rtsp else { return }
        let files = CertificateFiles.rtsp(current.current)
        do throws(ServerFault) {
            await rtsp.replaceTLS(try await files.load())
            hub.publish(.certificateReloaded(path: files.certificate))
        } catch {
            hub.publish(.certificateReloadFailed(path: files.certificate, reason: error.description))
        }
    }

    /// Works out anew what clients are told to send media to.
    func updateCandidates(
        _ service: WebRTCService, _ interfaces: [NetworkInterface], _ hosts: HostNames.Addresses
    ) {
        let candidates = CandidateSource(
            sockets: mediaAddresses, streams: running?.media.streamAddresses ?? [], interfaces: interfaces,
            settings: current.current, hosts: hosts)
        advertisedAddresses = candidates.all
        service.use(candidates)
    }
}
