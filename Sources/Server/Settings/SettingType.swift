/// What a value should have been. The declaration adds the key and what is accepted.
struct SettingFault: Error, Sendable {
    var message: String
    /// Set when the fault lies at an element inside the value.
    var origin: SettingOrigin?

    init(_ message: String, at origin: SettingOrigin? = nil) {
        self.message = message
        self.origin = origin
    }
}

/// How one kind of value is read from the configuration and written into the sample file.
struct SettingType<Value: Sendable>: Sendable {
    /// As it stands in a sentence: `accepted: duration, from 1s to 10m`.
    var name: String
    var accepted: String = ""
    var elementKeys: [String] = []
    var read: @Sendable (SettingNode) throws(SettingFault) -> Value
    /// The value as YAML.
    var write: @Sendable (Value) -> String
}

extension SettingNode {
    /// The text of a scalar; empty text for `key:` without a value.
    func scalar() throws(SettingFault) -> String {
        switch content {
        case .empty: return ""
        case .scalar(let text): return text
        case .list, .map: throw SettingFault("\(summary) is not a single value", at: origin)
        }
    }

    /// The elements of a list. A single value is a list split at commas, which is how the environment writes lists.
    func elements() throws(SettingFault) -> [SettingNode] {
        switch content {
        case .empty: return []
        case .list(let items): return items
        case .map: throw SettingFault("\(summary) is not a list", at: origin)
        case .scalar(let text):
            return text.split(separator: ",").map {
                SettingNode(content: .scalar(String($0.trimmingSpaces)), origin: origin)
            }
        }
    }
}

extension Substring {
    var trimmingSpaces: Substring {
        var result = self
        while result.first == " " || result.first == "\t" { result.removeFirst() }
        while result.last == " " || result.last == "\t" { result.removeLast() }
        return result
    }
}

extension SettingType<Bool> {
    static let boolean = SettingType(
        name: "yes or no",
        read: { (node) throws(SettingFault) in
            switch try node.scalar().lowercased() {
            case "yes", "true", "on": return true
            case "no", "false", "off": return false
            default: throw SettingFault("\(node.summary) is neither yes nor no")
            }
        }, write: { $0 ? "yes" : "no" })
}

extension SettingType<Int> {
    static func integer(_ range: ClosedRange<Int>, zeroMeans: String? = nil) -> SettingType {
        let accepted =
            "from \(range.lowerBound) to \(range.upperBound)" + (zeroMeans.map { " (0 means \($0))" } ?? "")
        return SettingType(
            name: "integer", accepted: accepted,
            read: { (node) throws(SettingFault) in
                let text = try node.scalar()
                guard text.first != "+", let value = Int(text) else {
                    throw SettingFault("\(node.summary) is not an integer")
                }
                guard range.contains(value) else { throw SettingFault("\(value) is out of range") }
                return value
            }, write: { "\($0)" })
    }
}

extension SettingType<String> {
    static func string(maximumLength: Int = 4_096, accepted: String = "") -> SettingType {
        SettingType(
            name: "text", accepted: accepted,
            read: { (node) throws(SettingFault) in
                let text = try node.scalar()
                guard text.utf8.count <= maximumLength else {
                    throw SettingFault("longer than \(maximumLength) bytes")
                }
                guard !text.unicodeScalars.contains(where: \.isUnprintable) else {
                    throw SettingFault("\(node.summary) contains control characters")
                }
                return text
            }, write: { $0.yamlText })
    }
}

extension SettingType where Value: RawRepresentable<String> & CaseIterable {
    static func choice(of _: Value.Type = Value.self) -> SettingType {
        let all = Value.allCases.map(\.rawValue)
        return SettingType(
            name: "word", accepted: "one of " + all.joined(separator: ", "),
            read: { (node) throws(SettingFault) in
                guard let value = Value(rawValue: try node.scalar()) else {
                    throw SettingFault("\(node.summary) is not one of the choices")
                }
                return value
            }, write: { $0.rawValue })
    }
}

extension SettingType {
    static var maximumListCount: Int { 256 }

    /// A list whose elements are of another type; a single value counts as a list split at commas.
    static func list<Element>(of element: SettingType<Element>) -> SettingType where Value == [Element] {
        SettingType(
            name: "list of \(element.name)", accepted: element.accepted, elementKeys: element.elementKeys,
            read: { (node) throws(SettingFault) in
                let nodes = try node.elements()
                guard nodes.count <= maximumListCount else {
                    throw SettingFault("more than \(maximumListCount) elements")
                }
                var values: [Element] = []
                for item in nodes {
                    do throws(SettingFault) {
                        values.append(try element.read(item))
                    } catch {
                        throw SettingFault(error.message, at: error.origin ?? item.origin)
                    }
                }
                return values
            }, write: { "[" + $0.map(element.write).joined(separator: ", ") + "]" })
    }
}

extension String {
    /// The text as a YAML flow scalar, quoted only when it must be.
    var yamlText: String {
        let plain = utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"),
                UInt8(ascii: "/"), UInt8(ascii: ":"):
                true
            default: false
            }
        }
        let words = ["yes", "no", "true", "false", "on", "off", "null"]
        let isTaken = isEmpty || words.contains(lowercased()) || first == "-" || first == ":" || last == ":"
        return plain && !isTaken
            ? self : "'" + split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
    }
}
