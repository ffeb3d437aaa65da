import HTTP
import Wire

/// How something stands. Raw values are what clients read.
public enum CheckStatus: String, Sendable, Hashable, CaseIterable, Comparable {
    case ok, warn, fail

    public static func < (left: CheckStatus, right: CheckStatus) -> Bool { left.rank < right.rank }
    private var rank: Int {
        switch self {
        case .ok: 0
        case .warn: 1
        case .fail: 2
        }
    }
}

/// One thing that was looked at.
struct CheckItem: Hashable, Sendable {
    var id: String
    var status: CheckStatus
    var what: String
    /// What to do about it; nil when all is well.
    var advice: String?
    /// Whether anybody may read it, rather than the operator alone.
    var isPublic = false
    /// Sessions that failed, the latest first.
    var failures: [CheckFailure] = []
}

/// What the server thinks of itself, for programs (JSON) and people (text).
struct CheckReport: Hashable, Sendable {
    var items: [CheckItem]
    /// Who asked, as the server sees it.
    var client: String

    var status: CheckStatus { items.map(\.status).max() ?? .ok }

    /// What strangers may know.
    var forStrangers: CheckReport { CheckReport(items: items.filter(\.isPublic), client: client) }

    var json: [UInt8] {
        var json = JSONWriter()
        json.object {
            $0.member("status", status.rawValue)
            $0.member("client", client)
            $0.member("items") {
                $0.array {
                    for item in items {
                        $0.object {
                            $0.member("id", item.id)
                            $0.member("status", item.status.rawValue)
                            $0.member("what", item.what)
                            $0.member("advice", item.advice)
                            guard !item.failures.isEmpty else { return }
                            $0.member("failures") {
                                $0.array { for failure in item.failures { failure.write(to: &$0) } }
                            }
                        }
                    }
                }
            }
        }
        return json.bytes
    }

    var text: String {
        let width = items.map(\.id.count).max() ?? 0
        var lines = ["Martlet \(MartletServer.version), asked from \(client): \(status.rawValue)", ""]
        for item in items {
            let name = item.id + String(repeating: " ", count: width - item.id.count)
            let status = item.status.rawValue + String(repeating: " ", count: 4 - item.status.rawValue.count)
            lines.append("\(status)  \(name)  \(item.what)")
            let indentation = String(repeating: " ", count: width + 8)
            if let advice = item.advice { lines.append(indentation + "→ " + advice) }
            for failure in item.failures { lines += failure.lines.map { indentation + $0 } }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}

extension CheckFailure {
    /// Parts of it are a client's words.
    private static let maximumLineLength = 1_000

    func write(to json: inout JSONWriter) {
        json.object {
            if let room { $0.member("room", room) }
            $0.member("role", failure.role.rawValue)
            $0.member("protocol", failure.protocol.rawValue)
            $0.member("reason", failure.reason.rawValue)
            $0.member("progress", failure.progress.word)
            $0.member("from", failure.remote?.host)
            $0.member("tried") { $0.array { for candidate in failure.candidates { $0.value(candidate) } } }
            $0.member("detail", failure.detail)
            $0.member("advice", failure.advice)
            $0.member("count", count)
            $0.member("secondsAgo", secondsAgo)
        }
    }

    /// For people.
    var lines: [String] {
        let times = count == 1 ? "" : ", \(count) times"
        let place = room.map { " in \($0)" } ?? ""
        var lines = [
            "\(secondsAgo) s ago\(times): \(failure.role.rawValue)\(place) by \(failure.protocol.rawValue): "
                + "\(failure.reason.rawValue): \(failure.account.escapedForDisplay(limit: Self.maximumLineLength))"
        ]
        if let advice = failure.advice { lines.append("  → " + advice) }
        return lines
    }
}
