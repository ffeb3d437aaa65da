/// The parameters of an `a=fmtp` line: `name=value` pairs between semicolons, in order.
///
/// Names are held in lower case, because senders differ in it; a name that comes twice counts the first time. A part
/// without `=` (as `0-15` of telephone-event) is a name without a value.
public struct FormatParameters: Hashable, Sendable {
    public struct Parameter: Hashable, Sendable {
        public var name: String
        public var value: String?
    }

    public private(set) var parameters: [Parameter] = []

    public init() {}

    /// Parameters beyond the first ``maximumCount`` are left out.
    public init(_ text: String) {
        for part in text.split(separator: ";").prefix(Self.maximumCount) {
            let trimmed = part.trimmingBlanks
            guard !trimmed.isEmpty else { continue }
            if let equals = trimmed.firstIndex(of: "=") {
                let name = trimmed[..<equals].trimmingBlanks.lowercased()
                let value = trimmed[trimmed.index(after: equals)...].trimmingBlanks
                if self[name] == nil { parameters.append(Parameter(name: name, value: String(value))) }
            } else {
                parameters.append(Parameter(name: trimmed.lowercased(), value: nil))
            }
        }
    }

    public static let maximumCount = 32

    public var isEmpty: Bool { parameters.isEmpty }

    /// The value of `name` (lower case); setting nil removes it, setting a new name appends it.
    public subscript(name: String) -> String? {
        get { parameters.first { $0.name == name }?.value }
        set {
            let index = parameters.firstIndex { $0.name == name }
            switch (index, newValue) {
            case (let index?, let value?): parameters[index].value = value
            case (let index?, nil): parameters.remove(at: index)
            case (nil, let value?): parameters.append(Parameter(name: name, value: value))
            case (nil, nil): break
            }
        }
    }

    /// As written after the payload type, names in lower case, without blanks.
    public var text: String {
        parameters.map { parameter in
            guard let value = parameter.value else { return parameter.name }
            return "\(parameter.name)=\(value)"
        }.joined(separator: ";")
    }
}

extension Substring {
    fileprivate var trimmingBlanks: Substring {
        var slice = self
        while let first = slice.utf8.first, LineScanner.isBlank(first) { slice = slice.dropFirst() }
        while let last = slice.utf8.last, LineScanner.isBlank(last) { slice = slice.dropLast() }
        return slice
    }
}
