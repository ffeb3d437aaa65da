/// How much one description may hold. Real offers stay below a quarter of these.
public struct SDPLimits: Hashable, Sendable {
    public var maximumBytes = 64 * 1024
    public var maximumLines = 2000
    public var maximumLineBytes = 4096
    public var maximumMediaSections = 64
    /// Of the session part, and of each media section.
    public var maximumAttributes = 256
    /// Payload types or other formats of one media section.
    public var maximumFormats = 64
    public var maximumExtensionMappings = 32
    public var maximumRestrictionIdentifiers = 16

    public init() {}

    public static let standard = SDPLimits()
}
