/// Reads one YAML document into nodes.
///
/// Sizes, depth and the number of nodes after alias expansion are bounded, so a small hostile file cannot become a
/// large tree. Tags are ignored; merge keys (`<<`) work; duplicate keys and second documents are errors.
struct YAMLReader {
    static let maximumSize = 1 << 20
    static let maximumDepth = 32
    static let maximumNodes = 50_000

    /// - Parameter name: How messages call the input, usually the file name.
    /// - Returns: The root node; `.empty` for a document without content.
    static func read(_ bytes: [UInt8], name: String) throws(SettingProblem) -> SettingNode {
        guard bytes.count <= maximumSize else {
            throw SettingProblem(
                origin: SettingOrigin(source: name), message: "the file is larger than \(maximumSize >> 20) MiB")
        }
        var reader = YAMLReader(name: name)
        try reader.parse(bytes)
        return reader.root ?? SettingNode(content: .empty, origin: SettingOrigin(source: name, line: 1))
    }

    private struct Container {
        var isMap: Bool
        var items: [SettingNode] = []
        var entries: [SettingEntry] = []
        var keys: Set<String> = []
        var pendingKey: (text: String, origin: SettingOrigin)?
        var merged: [SettingNode] = []
        var anchor: String?
        var origin: SettingOrigin
        var weight = 1
    }

    private let name: String
    private var root: SettingNode?
    private var stack: [Container] = []
    private var anchors: [String: (node: SettingNode, weight: Int)] = [:]
    private var total = 0
    private var documents = 0

    private init(name: String) { self.name = name }

    private mutating func parse(_ bytes: [UInt8]) throws(SettingProblem) {
        let events: YAMLEvents
        do throws(YAMLEvents.Fault) {
            events = try YAMLEvents(bytes)
        } catch {
            throw problem(error)
        }
        while true {
            let event: YAMLEvents.Event
            do throws(YAMLEvents.Fault) {
                event = try events.next()
            } catch {
                throw problem(error)
            }
            guard case .end = event.kind else {
                try handle(event)
                continue
            }
            return
        }
    }

    private mutating func handle(_ event: YAMLEvents.Event) throws(SettingProblem) {
        let origin = SettingOrigin(source: name, line: event.line)
        switch event.kind {
        case .documentStart:
            documents += 1
            if documents > 1 { throw SettingProblem(origin: origin, message: "only one YAML document is read") }
        case .scalar(let text, let isPlain, let anchor):
            let isEmpty = isPlain && ["", "~", "null", "Null", "NULL"].contains(text)
            let node = SettingNode(content: isEmpty ? .empty : .scalar(text), origin: origin)
            try add(node, weight: 1, key: text, anchor: anchor)
        case .alias(let alias):
            guard let (node, weight) = anchors[alias] else {
                throw SettingProblem(origin: origin, message: "'*\(alias.escapedForDisplay(limit: 80))' is not defined")
            }
            var key: String?
            if case .scalar(let text) = node.content { key = text }
            try add(node, weight: weight, key: key, anchor: nil)
        case .listStart(let anchor): try open(isMap: false, origin, anchor: anchor)
        case .mapStart(let anchor): try open(isMap: true, origin, anchor: anchor)
        case .listEnd, .mapEnd: try close()
        case .end, .other: break
        }
    }

    private mutating func open(isMap: Bool, _ origin: SettingOrigin, anchor: String?) throws(SettingProblem) {
        guard stack.count < Self.maximumDepth else {
            throw SettingProblem(origin: origin, message: "nested deeper than \(Self.maximumDepth) levels")
        }
        if let parent = stack.last, parent.isMap, parent.pendingKey == nil {
            throw SettingProblem(origin: origin, message: "a key must be text")
        }
        stack.append(Container(isMap: isMap, anchor: anchor, origin: origin))
    }

    private mutating func close() throws(SettingProblem) {
        guard var container = stack.popLast() else { return }
        if container.isMap {
            // Keys written in the map win over merged ones.
            for source in container.merged {
                guard case .map(let entries) = source.content else { continue }
                for entry in entries where container.keys.insert(entry.key).inserted {
                    container.entries.append(entry)
                }
            }
        }
        let content: SettingNode.Content = container.isMap ? .map(container.entries) : .list(container.items)
        try add(
            SettingNode(content: content, origin: container.origin), weight: container.weight, key: nil,
            anchor: container.anchor, isCounted: true)
    }

    /// Puts a finished node where it belongs: into the open list or map, as its next key, or as the root.
    private mutating func add(
        _ node: SettingNode, weight: Int, key: String?, anchor: String?, isCounted: Bool = false
    ) throws(SettingProblem) {
        if !isCounted { total += weight }
        guard total <= Self.maximumNodes else {
            throw SettingProblem(origin: node.origin, message: "more than \(Self.maximumNodes) values")
        }
        if let anchor { anchors[anchor] = (node, weight) }
        guard !stack.isEmpty else {
            root = node
            return
        }
        let top = stack.count - 1
        stack[top].weight += weight
        guard stack[top].isMap else {
            stack[top].items.append(node)
            return
        }
        guard let pending = stack[top].pendingKey else {
            guard let key else { throw SettingProblem(origin: node.origin, message: "a key must be text") }
            stack[top].pendingKey = (key, node.origin)
            return
        }
        stack[top].pendingKey = nil
        if pending.text == "<<" {
            if case .list(let items) = node.content {
                stack[top].merged += items
            } else {
                stack[top].merged.append(node)
            }
            return
        }
        guard stack[top].keys.insert(pending.text).inserted else {
            throw SettingProblem(
                origin: pending.origin, key: pending.text.escapedForDisplay(limit: 80), message: "written twice")
        }
        stack[top].entries.append(SettingEntry(key: pending.text, keyOrigin: pending.origin, value: node))
    }

    private func problem(_ fault: YAMLEvents.Fault) -> SettingProblem {
        SettingProblem(origin: SettingOrigin(source: name, line: fault.line), message: fault.message)
    }
}
