/// The master keys and salts of one association, as DTLS exports them.
public struct SRTPKeyMaterial: Sendable {
    public let profile: SRTPProfile
    /// What this end encrypts with.
    public let localKey: SecretBytes
    public let localSalt: SecretBytes
    /// What the peer encrypts with.
    public let remoteKey: SecretBytes
    public let remoteSalt: SecretBytes

    /// Splits what the exporter `EXTRACTOR-dtls_srtp` yields: client key, server key, client salt, server salt
    /// (RFC 5764, section 4.2). Which half is local follows from the DTLS role, not from who offered.
    ///
    /// Nil when the block's length is not the profile's.
    public init?(profile: SRTPProfile, keyBlock: RawSpan, isClient: Bool) {
        let (key, salt) = (profile.keyLength, profile.saltLength)
        guard keyBlock.byteCount == profile.keyBlockLength else { return nil }
        let clientKey = SecretBytes(copying: keyBlock.extracting(0..<key))
        let serverKey = SecretBytes(copying: keyBlock.extracting(key..<2 * key))
        let clientSalt = SecretBytes(copying: keyBlock.extracting(2 * key..<2 * key + salt))
        let serverSalt = SecretBytes(copying: keyBlock.extracting(2 * key + salt..<2 * (key + salt)))
        self.profile = profile
        localKey = isClient ? clientKey : serverKey
        localSalt = isClient ? clientSalt : serverSalt
        remoteKey = isClient ? serverKey : clientKey
        remoteSalt = isClient ? serverSalt : clientSalt
    }
}
