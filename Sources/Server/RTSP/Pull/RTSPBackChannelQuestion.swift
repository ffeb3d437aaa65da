/// Whether a source's next attempt asks for the camera's back channel (RTSP-Q6).
///
/// Some cameras hang up, fail or fall silent at the question; networks that fail and cameras that start again look the
/// same. So an attempt without it has to go better before the question is given up for good.
struct RTSPBackChannelQuestion: Sendable {
    /// Failures in a row after which the question is doubted where it has been answered before.
    static let patience = 2

    private(set) var isAsked: Bool
    /// The question was left out, and no attempt has told yet whether that was of any use.
    private var isInDoubt = false
    private var hasOpened = false
    private var failures = 0

    init(isWanted: Bool) { isAsked = isWanted }

    /// The camera agreed to send.
    ///
    /// - Parameter hasOpened: whether it agreed to hear readers too.
    mutating func began(hasOpened: Bool) {
        if hasOpened { self.hasOpened = true }
        failures = 0
        isInDoubt = false
    }

    /// An attempt ended before the camera agreed to anything.
    ///
    /// - Parameter mayBeOfQuestion: whether it was asked, and may not have liked that.
    /// - Returns: whether the camera is to be tried without the question at once.
    mutating func failed(mayBeOfQuestion: Bool) -> Bool {
        if isInDoubt {
            // Without it nothing goes better.
            isInDoubt = false
            isAsked = true
            return false
        }
        guard isAsked, mayBeOfQuestion else {
            failures = 0
            return false
        }
        failures += 1
        guard failures >= (hasOpened ? Self.patience : 1) else { return false }
        failures = 0
        isAsked = false
        isInDoubt = true
        return true
    }
}
