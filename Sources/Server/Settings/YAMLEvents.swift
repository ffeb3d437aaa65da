internal import CYAML

/// The events of libyaml as Swift values: the one place of this target that touches C memory, all of which it owns.
@safe final class YAMLEvents {
    struct Event {
        enum Kind {
            case documentStart
            case scalar(String, isPlain: Bool, anchor: String?)
            case alias(String)
            case listStart(anchor: String?)
            case listEnd
            case mapStart(anchor: String?)
            case mapEnd
            /// The end of the stream; nothing comes after it.
            case end
            case other
        }

        var kind: Kind
        /// Counts from 1.
        var line: Int
    }

    struct Fault: Error {
        var message: String
        var line: Int?
    }

    // libyaml keeps pointers to its own parser and to its input, so neither may move.
    private let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
    private let input: UnsafeMutableBufferPointer<UInt8>

    init(_ bytes: [UInt8]) throws(Fault) {
        unsafe input = .allocate(capacity: bytes.count)
        _ = unsafe input.initialize(from: bytes)
        guard unsafe yaml_parser_initialize(parser) != 0 else {
            // What the deinitializer deletes must be in a defined state.
            unsafe parser.initialize(to: yaml_parser_t())
            throw Fault(message: "out of memory", line: nil)
        }
        unsafe yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        unsafe yaml_parser_set_input_string(parser, input.baseAddress, input.count)
    }

    deinit {
        unsafe yaml_parser_delete(parser)
        unsafe parser.deallocate()
        unsafe input.deallocate()
    }

    func next() throws(Fault) -> Event {
        var event = unsafe yaml_event_t()
        guard unsafe yaml_parser_parse(parser, &event) != 0 else { throw fault }
        defer { unsafe yaml_event_delete(&event) }
        return Event(kind: unsafe Self.kind(event), line: Int(clamping: unsafe event.start_mark.line) + 1)
    }

    private static func kind(_ event: yaml_event_t) -> Event.Kind {
        let data = unsafe event.data
        switch unsafe event.type {
        case YAML_STREAM_END_EVENT: return .end
        case YAML_DOCUMENT_START_EVENT: return .documentStart
        case YAML_SCALAR_EVENT:
            let bytes = unsafe UnsafeBufferPointer(start: data.scalar.value, count: data.scalar.length)
            return unsafe .scalar(
                String(decoding: bytes, as: UTF8.self), isPlain: data.scalar.style == YAML_PLAIN_SCALAR_STYLE,
                anchor: text(data.scalar.anchor))
        case YAML_ALIAS_EVENT: return unsafe .alias(text(data.alias.anchor) ?? "")
        case YAML_SEQUENCE_START_EVENT: return unsafe .listStart(anchor: text(data.sequence_start.anchor))
        case YAML_MAPPING_START_EVENT: return unsafe .mapStart(anchor: text(data.mapping_start.anchor))
        case YAML_SEQUENCE_END_EVENT: return .listEnd
        case YAML_MAPPING_END_EVENT: return .mapEnd
        default: return .other
        }
    }

    private var fault: Fault {
        let state = unsafe parser.pointee
        let reason = unsafe state.problem.map { unsafe String(cString: $0) } ?? "unreadable"
        let context = unsafe state.context.map {
            unsafe " (\(String(cString: $0)), line \(Int(clamping: state.context_mark.line) + 1))"
        }
        return Fault(
            message: "not valid YAML: \(reason)\(context ?? "")",
            line: Int(clamping: unsafe state.problem_mark.line) + 1)
    }

    private static func text(_ bytes: UnsafeMutablePointer<UInt8>?) -> String? {
        unsafe bytes.map { unsafe String(cString: $0) }
    }
}
