import Glibc

struct WriteFileError: Error {}

/// Replaces a file of the repository.
func writeFile(_ path: String, _ text: String) throws {
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    guard descriptor >= 0 else { throw WriteFileError() }
    defer { close(descriptor) }
    let bytes = Array(text.utf8)
    let count = unsafe bytes.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
    guard count == bytes.count else { throw WriteFileError() }
}

func removeFile(_ path: String) { unsafe unlink(path) }
