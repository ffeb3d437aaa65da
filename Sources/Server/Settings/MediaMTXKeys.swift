/// Settings of MediaMTX, now and in its older versions, that this version does not have.
enum MediaMTXKeys {
    static let notAvailable: Set<String> = Set(
        """
        sysLogPrefix dumpPackets
        runOnConnect runOnConnectRestart runOnDisconnect
        authMethod authInternalUsers authHTTPAddress authHTTPFingerprint authHTTPExclude authJWTJWKS
        authJWTJWKSFingerprint authJWTClaimKey authJWTExclude authJWTIssuer authJWTAudience authJWTInHTTPQuery
        externalAuthenticationURL
        api apiAddress apiEncryption apiServerKey apiServerCert apiAllowOrigin apiAllowOrigins apiTrustedProxies
        metricsEncryption metricsServerKey metricsServerCert metricsAllowOrigin metricsAllowOrigins
        metricsTrustedProxies
        pprof pprofAddress pprofEncryption pprofServerKey pprofServerCert pprofAllowOrigin pprofAllowOrigins
        pprofTrustedProxies
        playback playbackAddress playbackEncryption playbackServerKey playbackServerCert playbackAllowOrigin
        playbackAllowOrigins playbackTrustedProxies
        rtmp rtmpDisable rtmpEncryption rtmpAddress rtmpsAddress rtmpServerKey rtmpServerCert rtmpTrustedProxies
        hls hlsDisable hlsAddress hlsEncryption hlsServerKey hlsServerCert hlsAllowOrigin hlsAllowOrigins
        hlsTrustedProxies hlsAlwaysRemux hlsVariant hlsSegmentCount hlsSegmentDuration hlsPartDuration
        hlsSegmentMaxSize hlsDirectory hlsMuxerCloseAfter hlsCDNSecret
        webrtcSTUNGatherTimeout webrtcTrackGatherTimeout
        srt srtAddress
        moq moqHTTP2Address moqHTTP3Address moqQUICAddress moqServerKey moqServerCert moqAllowOrigins
        moqTrustedProxies
        record recordPath recordFormat recordPartDuration recordMaxPartSize recordSegmentDuration recordDeleteAfter
        srtReadPassphrase
        alwaysAvailable alwaysAvailableTracks alwaysAvailableFile fallback
        srtPublishPassphrase rtspDemuxMpegts rtspRangeType rtspRangeStart rtspScale
        rtpSDP moqTransport whepBearerToken
        whepSTUNGatherTimeout whepHandshakeTimeout whepTrackGatherTimeout
        publishUser publishPass publishIPs readUser readPass readIPs
        rpiCameraCamID rpiCameraSecondary rpiCameraWidth rpiCameraHeight rpiCameraHFlip rpiCameraVFlip
        rpiCameraBrightness rpiCameraContrast rpiCameraSaturation rpiCameraSharpness rpiCameraExposure rpiCameraAWB
        rpiCameraAWBGains rpiCameraDenoise rpiCameraShutter rpiCameraMetering rpiCameraGain rpiCameraEV rpiCameraROI
        rpiCameraHDR rpiCameraTuningFile rpiCameraMode rpiCameraFPS rpiCameraAfMode rpiCameraAfRange rpiCameraAfSpeed
        rpiCameraLensPosition rpiCameraAfWindow rpiCameraFlickerPeriod rpiCameraTextOverlayEnable
        rpiCameraTextOverlay rpiCameraCodec rpiCameraIDRPeriod rpiCameraBitrate rpiCameraProfile rpiCameraLevel
        rpiCameraH264Profile rpiCameraH264Level rpiCameraHardwareH264Profile rpiCameraHardwareH264Level
        rpiCameraSoftwareH264Profile rpiCameraSoftwareH264Level rpiCameraMJPEGQuality rpiCameraJPEGQuality
        runOnInit runOnInitRestart runOnDemand runOnDemandRestart runOnDemandStartTimeout runOnDemandCloseAfter
        runOnUnDemand runOnAvailable runOnAvailableRestart runOnUnavailable runOnReady runOnReadyRestart
        runOnNotReady runOnOnline runOnOnlineRestart runOnOffline runOnRead runOnReadRestart runOnUnread
        runOnRecordSegmentCreate runOnRecordSegmentComplete
        """.split(whereSeparator: \.isWhitespace).map(String.init))

    /// Settings that something else here stands in for, and what to do instead of setting them.
    static let elsewhere: [String: String] = [
        "srtpAddress": "SRTP has the ports of rtpAddress",
        "srtcpAddress": "SRTCP has the ports of rtcpAddress",
        "multicastSRTPPort": "over TLS there is no multicast; have readers ask for UDP or TCP",
        "multicastSRTCPPort": "over TLS there is no multicast; have readers ask for UDP or TCP",
        "rtspTrustedProxies":
            "clients over RTSP are known by the address that they connect from; limits and passwords behind a proxy are those "
            + "of its address, so let clients connect to this server itself",
        "useAbsoluteTimestamp":
            "times of capture are always passed on as publishers report them, in sender reports and abs-capture-time",
    ]

    /// All that are ignored.
    static var ignored: Set<String> { notAvailable.union(elsewhere.keys) }

    /// Why ignoring this entry would open what MediaMTX kept closed; nil when nothing is lost.
    ///
    /// Ignoring a setting is harmless only when the server is not more open without it.
    static func protection(lostBy entry: SettingEntry) -> String? {
        let refusal =
            "restricts access in MediaMTX and is not available in this version; remove it and use whipToken, "
            + "publishToken and readToken"
        switch entry.key {
        case "authMethod":
            guard case .scalar(let method) = entry.value.content, method != "internal", !method.isEmpty else {
                return nil
            }
            return refusal
        case "authHTTPAddress", "authJWTJWKS", "externalAuthenticationURL", "publishUser", "publishPass",
            "publishIPs", "readUser", "readPass", "readIPs":
            return entry.value.isBlank ? nil : refusal
        case "authInternalUsers":
            return entry.value.letsAnyonePublishAndRead ? nil : refusal
        default:
            return nil
        }
    }
}

extension SettingNode {
    fileprivate var isBlank: Bool {
        switch content {
        case .empty: true
        case .scalar(let text): text.isEmpty
        case .list(let items): items.isEmpty
        case .map(let entries): entries.isEmpty
        }
    }

    private func value(_ key: String) -> SettingNode? {
        guard case .map(let entries) = content else { return nil }
        return entries.first { $0.key == key }?.value
    }

    /// Whether a list of MediaMTX users lets anyone publish to and read every path, as its default does.
    fileprivate var letsAnyonePublishAndRead: Bool {
        guard case .list(let users) = content else { return isBlank }
        var actions: Set<String> = []
        for user in users {
            guard case .scalar("any") = user.value("user")?.content, user.value("pass")?.isBlank ?? true,
                user.value("ips")?.isBlank ?? true, case .list(let permissions) = user.value("permissions")?.content
            else { continue }
            for permission in permissions where permission.value("path")?.isBlank ?? true {
                if case .scalar(let action) = permission.value("action")?.content { actions.insert(action) }
            }
        }
        return actions.isSuperset(of: ["publish", "read"])
    }
}
