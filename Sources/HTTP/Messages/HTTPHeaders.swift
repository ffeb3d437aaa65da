/// Header fields in the order they were sent or added. Names compare without case; a name may occur several times.
public struct HTTPHeaders: Sendable, Hashable, ExpressibleByDictionaryLiteral {
    public struct Field: Sendable, Hashable {
        public var name: String
        public var value: String

        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    public private(set) var fields: [Field] = []

    public init() {}

    public init(dictionaryLiteral elements: (String, String)...) {
        fields = elements.map { Field(name: $0.0, value: $0.1) }
    }

    public var count: Int { fields.count }
    public var isEmpty: Bool { fields.isEmpty }

    /// The first value of `name`. Setting replaces every field of that name by one; nil removes them.
    public subscript(name: String) -> String? {
        get { fields.first { HTTPSyntax.equalIgnoringCase($0.name, name) }?.value }
        set {
            remove(name)
            if let newValue { add(name, newValue) }
        }
    }

    /// Appends a field, beside others of the same name: `Link` and `Set-Cookie` need one field per value.
    public mutating func add(_ name: String, _ value: String) { fields.append(Field(name: name, value: value)) }

    public mutating func remove(_ name: String) {
        fields.removeAll { HTTPSyntax.equalIgnoringCase($0.name, name) }
    }

    public func contains(_ name: String) -> Bool { self[name] != nil }

    /// Every value of `name`, one element per field, in order.
    public func values(_ name: String) -> [String] {
        fields.compactMap { HTTPSyntax.equalIgnoringCase($0.name, name) ? $0.value : nil }
    }

    /// The elements of all fields of `name`, read as comma-separated lists without quoted strings.
    public func listElements(_ name: String) -> [String] { values(name).flatMap(HTTPSyntax.listElements) }

    /// Whether the comma-separated lists under `name` hold `token`, in any case.
    public func hasToken(_ name: String, _ token: String) -> Bool {
        listElements(name).contains { HTTPSyntax.equalIgnoringCase($0, token) }
    }
}
