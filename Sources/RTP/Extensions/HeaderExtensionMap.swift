/// The numeric ids one peer has negotiated for header extensions (RFC 8285, section 6).
///
/// A value without heap; both directions of lookup cost a few nanoseconds.
public struct HeaderExtensionMap: Sendable {
    /// The highest id of the one-byte form.
    public static let highestOneByteID: UInt8 = 14

    /// Id by extension; 0 where nothing is negotiated.
    private var ids: InlineArray<16, UInt8>
    /// Extension + 1 by id, for the ids of the one-byte form; 0 where nothing is negotiated.
    private var extensions: InlineArray<16, UInt8>

    public init() {
        ids = .init(repeating: 0)
        extensions = .init(repeating: 0)
    }

    public init(_ pairs: [(HeaderExtension, UInt8)]) {
        self.init()
        for (kind, id) in pairs { self[kind] = id }
    }

    /// The id of `kind`; nil when it is not negotiated. Setting 0 removes it, and an id that is already taken
    /// moves to `kind`.
    public subscript(kind: HeaderExtension) -> UInt8? {
        get {
            let id = ids[Int(kind.rawValue)]
            return id == 0 ? nil : id
        }
        set {
            let id = newValue ?? 0
            let previous = ids[Int(kind.rawValue)]
            if previous != 0, previous < 16 { extensions[Int(previous)] = 0 }
            if id != 0, let owner = self.kind(of: id) { ids[Int(owner.rawValue)] = 0 }
            ids[Int(kind.rawValue)] = id
            if id != 0, id < 16 { extensions[Int(id)] = kind.rawValue + 1 }
        }
    }

    /// What `id` stands for; nil for ids that are not negotiated.
    public func kind(of id: UInt8) -> HeaderExtension? {
        if id < 16 {
            let entry = extensions[Int(id)]
            return entry == 0 ? nil : HeaderExtension(rawValue: entry - 1)
        }
        for index in ids.indices where ids[index] == id {
            return HeaderExtension(rawValue: UInt8(truncatingIfNeeded: index))
        }
        return nil
    }

    public var isEmpty: Bool {
        for index in ids.indices where ids[index] != 0 { return false }
        return true
    }
}

extension HeaderExtensionMap: Hashable {
    public static func == (left: Self, right: Self) -> Bool {
        for index in left.ids.indices where left.ids[index] != right.ids[index] { return false }
        return true
    }

    public func hash(into hasher: inout Hasher) {
        for index in ids.indices { hasher.combine(ids[index]) }
    }
}
