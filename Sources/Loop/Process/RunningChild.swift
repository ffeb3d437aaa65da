internal import CLinux
internal import Glibc
internal import Wire

/// What there is of a started program until it has been reaped; its watches keep it alive until then.
final class RunningChild {
    struct Handlers {
        var onMessage: (RawSpan) -> Void
        var onLine: (String) -> Void
        var onEnd: (ChildProcessEnd) -> Void
    }

    /// Messages read in one turn, so that others have theirs.
    private static let messagesPerTurn = 64
    /// What programs need to be found and to speak the operator's language. Tokens may stand in the rest.
    private static let passedVariables: Set<String> = [
        "PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH",
    ]

    /// Where programs are started: the thread that does so stands still until the program has taken over, about a
    /// millisecond.
    private static let starts = BlockingQueue(name: "programs")

    let loop: EventLoop
    private(set) var pid: pid_t?
    private let limits: ChildProcessLimits
    private var handlers: Handlers?
    private var isStarting = false
    private var process: Descriptor?
    private var channel: Descriptor?
    private var errors: Descriptor?
    private var channelNumber: CInt = -1
    private var errorsNumber: CInt = -1
    private var processWatch: DescriptorWatch?
    private var channelWatch: DescriptorWatch?
    private var errorsWatch: DescriptorWatch?
    private var lines: LineCutter
    private var buffer: [UInt8]
    private(set) var queue: [[UInt8]] = []
    private(set) var queuedBytes = 0
    private(set) var statistics = ChildProcess.Statistics()

    init(on loop: EventLoop, _ limits: ChildProcessLimits, _ handlers: Handlers) {
        self.loop = loop
        self.limits = limits
        self.handlers = handlers
        lines = LineCutter(maximumBytes: limits.lineBytes)
        buffer = Array(repeating: 0, count: max(1, limits.messageBytes))
    }

    // MARK: start

    func start(_ program: String, _ arguments: [String]) {
        isStarting = true
        let box = RunningChildBox(child: self)
        let loop = loop
        Self.starts.run {
            let outcome = Self.spawn(program, arguments)
            // A loop that has stopped runs it, too: no program is left behind.
            loop.execute { box.child.started(outcome) }
        }
    }

    private static func spawn(_ program: String, _ arguments: [String]) -> Result<clinux_child, LoopError> {
        let environment = ProcessEnvironment.variables.filter { passedVariables.contains($0.key) }
        let argumentList = [program] + arguments
        let argumentBytes = terminated(argumentList)
        let environmentBytes = terminated(environment.map { "\($0.key)=\($0.value)" })
        var child = clinux_child()
        let status = unsafe program.withCString { program in
            unsafe argumentBytes.withUnsafeBufferPointer { arguments in
                unsafe environmentBytes.withUnsafeBufferPointer { variables in
                    unsafe clinux_start_child(
                        program, arguments.baseAddress, CInt(argumentList.count), variables.baseAddress,
                        CInt(environment.count), &child)
                }
            }
        }
        return status < 0 ? .failure(LoopError("start \(program)", code: -status)) : .success(child)
    }

    private func started(_ outcome: Result<clinux_child, LoopError>) {
        isStarting = false
        switch outcome {
        case .failure(let error): giveUp(.notStarted(error))
        case .success(let child):
            process = .some(Descriptor(child.process))
            channel = .some(Descriptor(child.channel))
            errors = .some(Descriptor(child.errors))
            (channelNumber, errorsNumber) = (child.channel, child.errors)
            // Nobody wants it any more, or nothing would tell when it ends.
            guard handlers != nil, !loop.hasLetGo else { return discard(child.pid, .killed(signal: SIGKILL)) }
            do throws(LoopError) {
                try watch(child.process)
            } catch {
                return discard(child.pid, .notStarted(error))
            }
            pid = child.pid
            sendQueued()
        }
    }

    /// Ends a program that is not watched, and waits for its end where that holds nobody.
    private func discard(_ pid: pid_t, _ end: ChildProcessEnd) {
        processWatch?.cancel()
        processWatch = nil
        closeChannel()
        closeErrors()
        process = nil
        Self.starts.run {
            var ignored: CInt = 0
            clinux_kill_child(pid)
            _ = unsafe clinux_reap_child(pid, 1, &ignored)
        }
        giveUp(end)
    }

    private func giveUp(_ end: ChildProcessEnd) {
        dropQueue()
        let onEnd = handlers?.onEnd
        dropHandlers()
        onEnd?(end)
    }

    /// The texts one after another, each ended by a zero. One with a zero inside is cut there.
    private static func terminated(_ texts: [String]) -> [CChar] {
        texts.flatMap { $0.utf8.prefix { $0 != 0 }.map { CChar(bitPattern: $0) } + [0] } + [0]
    }

    private func watch(_ processNumber: CInt) throws(LoopError) {
        processWatch = try loop.watch(processNumber, for: .reading, name: "process end") { self.ended($0) }
        channelWatch = try loop.watch(channelNumber, for: .reading, name: "process channel") { self.ready($0) }
        errorsWatch = try loop.watch(errorsNumber, for: .reading, name: "process errors") { _ in
            if !self.readErrors() { self.closeErrors() }
        }
    }

    // MARK: sending

    func send(_ message: [UInt8]) -> Bool {
        guard isStarting || channel != nil, handlers != nil, !message.isEmpty else { return false }
        if channel != nil, queue.isEmpty, sendNow(message) { return true }
        guard isStarting || channel != nil, queue.count < limits.queuedMessages,
            queuedBytes + message.count <= limits.queuedBytes
        else {
            statistics.refused &+= 1
            return false
        }
        queue.append(message)
        queuedBytes += message.count
        if !isStarting { waitForRoom() }
        return true
    }

    /// `false` when the program has to read first, or cannot any more.
    private func sendNow(_ message: [UInt8]) -> Bool {
        let sent = unsafe message.withUnsafeBytes { unsafe clinux_send_stream(channelNumber, $0.baseAddress, $0.count) }
        if sent >= 0 {
            statistics.messagesSent &+= 1
            return true
        }
        // The watch on the process tells that it has gone.
        if sent != -Int(EAGAIN), sent != -Int(EINTR), sent != -Int(ENOBUFS) { closeChannel() }
        return false
    }

    private func sendQueued() {
        var sent = 0
        while channel != nil, sent < queue.count, sendNow(queue[sent]) {
            queuedBytes -= queue[sent].count
            sent += 1
        }
        queue.removeFirst(min(sent, queue.count))
        waitForRoom()
    }

    private func waitForRoom() {
        let interest: DescriptorInterest = queue.isEmpty ? .reading : [.reading, .writing]
        // A descriptor that is watched already can be watched for more.
        try? channelWatch?.update(interest)
    }

    // MARK: receiving

    private func ready(_ readiness: DescriptorReadiness) {
        guard !readiness.contains(.loopStopped) else { return closeChannel() }
        if readiness.contains(.writing) { sendQueued() }
        if !readMessages(upTo: Self.messagesPerTurn) {
            closeChannel()
            // It can neither be asked nor answer any more.
            if let pid { clinux_kill_child(pid) }
        }
    }

    /// `false` at the end.
    private func readMessages(upTo limit: Int) -> Bool {
        for _ in 0..<limit {
            guard channel != nil, handlers != nil else { return true }
            let count = unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe clinux_receive_message(channelNumber, bytes.baseAddress, bytes.count)
            }
            if count == -Int(EAGAIN) || count == -Int(EINTR) { return true }
            guard count > 0 else { return false }
            guard count <= buffer.count else {
                statistics.oversized &+= 1
                continue
            }
            statistics.messagesReceived &+= 1
            // Lent out of this object: what a handler causes must not write into it.
            let message = buffer
            message.withBytes { handlers?.onMessage($0.extracting(0..<count)) }
        }
        return true
    }

    /// `false` at the end.
    private func readErrors() -> Bool {
        guard errors != nil else { return true }
        var bytes: [UInt8] = Array(repeating: 0, count: 4_096)
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe read(errorsNumber, $0.baseAddress, $0.count) }
        guard count > 0 else { return count < 0 && (errno == EAGAIN || errno == EINTR) }
        for line in lines.take(bytes.prefix(count)) { handlers?.onLine(line) }
        return true
    }

    // MARK: end

    private func ended(_ readiness: DescriptorReadiness) {
        guard let pid else { return }
        var value: CInt = 0
        // A loop that ends leaves no program behind: one that was killed is gone in a moment.
        let isStopping = readiness.contains(.loopStopped)
        if isStopping { clinux_kill_child(pid) }
        let outcome = unsafe clinux_reap_child(pid, isStopping ? 1 : 0, &value)
        guard outcome != 0 else { return }
        // From now on its number may be another program's: whoever closes this in a handler must not signal it.
        processWatch?.cancel()
        processWatch = nil
        process = nil
        // What it said last is heard.
        _ = readMessages(upTo: limits.queuedMessages)
        // At the end of what it said, or before: what was read earlier may lack its last line's end.
        _ = readErrors()
        if let line = lines.rest() { handlers?.onLine(line) }
        let end: ChildProcessEnd =
            outcome == 1 ? .exited(code: value) : outcome == 2 ? .killed(signal: value) : .unknown
        let onEnd = handlers?.onEnd
        closeChannel()
        closeErrors()
        dropHandlers()
        onEnd?(end)
    }

    /// What handlers hold may own this child, and is let go when they are no longer there.
    private func dropHandlers() {
        let dropped = handlers
        handlers = nil
        withExtendedLifetime(dropped) {}
    }

    /// While it starts, ``started(_:)`` does the rest.
    func close() {
        dropHandlers()
        dropQueue()
        closeChannel()
        closeErrors()
        // The watch on the process, which lives on, reaps it.
        if process != nil, let pid { clinux_kill_child(pid) }
    }

    private func closeChannel() {
        channelWatch?.cancel()
        channelWatch = nil
        channel = nil
        dropQueue()
    }

    private func dropQueue() {
        queue.removeAll()
        queuedBytes = 0
    }

    private func closeErrors() {
        errorsWatch?.cancel()
        errorsWatch = nil
        errors = nil
    }
}

/// Cuts bytes into lines of bounded length that are fit for a log.
struct LineCutter {
    private let maximumBytes: Int
    private var line: [UInt8] = []
    private var isTooLong = false

    init(maximumBytes: Int) { self.maximumBytes = maximumBytes }

    mutating func take(_ bytes: some Sequence<UInt8>) -> [String] {
        var lines: [String] = []
        for byte in bytes {
            guard byte != UInt8(ascii: "\n"), byte != UInt8(ascii: "\r") else {
                if let line = rest() { lines.append(line) }
                continue
            }
            if line.count < maximumBytes { line.append(byte) } else { isTooLong = true }
        }
        return lines
    }

    /// What has no end of line yet.
    mutating func rest() -> String? {
        defer {
            line.removeAll(keepingCapacity: true)
            isTooLong = false
        }
        guard !line.isEmpty else { return nil }
        let text = line.map { $0 < 0x20 || $0 == 0x7F ? UInt8(ascii: " ") : $0 }
        return String(decoding: text, as: UTF8.self) + (isTooLong ? " …" : "")
    }
}
