import Wire

/// Collects lines that end in CR LF from pieces of any size.
struct LineReader {
    enum Failure: Error { case bareLineEnding, tooLong }

    /// The line so far, or after ``consume(_:from:limit:)`` returned true the complete line without its ending.
    private(set) var line: [UInt8] = []
    private var endsInCarriageReturn = false
    private var isComplete = false

    /// Reads on from `offset`, which ends behind the line's ending or at the end of `bytes`.
    ///
    /// - Returns: whether ``line`` is complete; the next call then starts another one.
    mutating func consume(_ bytes: RawSpan, from offset: inout Int, limit: Int) throws(Failure) -> Bool {
        if isComplete {
            isComplete = false
            line.removeAll(keepingCapacity: true)
        }
        while offset < bytes.byteCount {
            let byte = bytes[offset]
            offset += 1
            if byte == HTTPSyntax.lineFeed {
                guard endsInCarriageReturn else { throw .bareLineEnding }
                endsInCarriageReturn = false
                isComplete = true
                return true
            }
            guard !endsInCarriageReturn else { throw .bareLineEnding }
            if byte == HTTPSyntax.carriageReturn {
                endsInCarriageReturn = true
            } else {
                guard line.count < limit else { throw .tooLong }
                line.append(byte)
            }
        }
        return false
    }
}
