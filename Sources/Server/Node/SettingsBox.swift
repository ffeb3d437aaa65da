import Synchronization

/// The settings of this moment, read from any thread.
final class SettingsBox: Sendable {
    private let box: Mutex<ServerSettings>

    init(_ settings: ServerSettings) { box = Mutex(settings) }

    var current: ServerSettings { box.withLock { $0 } }

    func replace(_ settings: ServerSettings) { box.withLock { $0 = settings } }
}
