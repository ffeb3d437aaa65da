internal import Glibc

/// Reads small files (settings, certificates, pages) without holding a loop.
public enum FileReader {
    private static let pieceSize = 64 << 10

    /// The contents of the file at `path`, read on the default pool.
    ///
    /// - Throws: ``LoopError`` naming the path; `EFBIG` when the file is larger than `maximumSize`.
    @concurrent
    public static func read(_ path: String, maximumSize: Int) async throws(LoopError) -> [UInt8] {
        try readNow(path, maximumSize: maximumSize)
    }

    /// The same on the calling thread, for the start of the program. Never on a loop.
    public static func readNow(_ path: String, maximumSize: Int) throws(LoopError) -> [UInt8] {
        let action = "read \(path)"
        // A pipe put in a file's place must not hold the thread until somebody writes to it.
        let descriptor = Descriptor(try opened(path, action))
        var contents: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: pieceSize)
        while true {
            let count = unsafe piece.withUnsafeMutableBytes { bytes in
                unsafe Glibc.read(descriptor.number, bytes.baseAddress, bytes.count)
            }
            guard count != 0 else { return contents }
            guard count > 0 else {
                let code = errno
                guard code == EINTR else { throw LoopError(action, code: code) }
                continue
            }
            guard contents.count + count <= maximumSize else { throw LoopError(action, code: EFBIG) }
            contents += piece[..<count]
        }
    }

    /// Whether this process may read the file at `path`; false also when there is none.
    public static func isReadable(_ path: String) -> Bool { unsafe access(path, R_OK) == 0 }

    private static func opened(_ path: String, _ action: String) throws(LoopError) -> CInt {
        let number = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard number >= 0 else { throw LoopError(action, code: errno) }
        return number
    }
}
