import HTTP

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
            if let advice = item.advice {
                lines.append(String(repeating: " ", count: width + 8) + "→ " + advice)
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
