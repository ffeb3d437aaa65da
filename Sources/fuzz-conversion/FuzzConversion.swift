import Conversion
import FuzzKit
import Wire

/// Reads the input as a message of either side; what reads must be written again as it was.
private func tryInput(_ input: RawSpan) {
    if let request = try? ConversionRequest(parsing: input) {
        precondition((try? request.encoded()) == input.array)
    }
    if let reply = try? ConversionReply(parsing: input), let bytes = try? reply.encoded() {
        // Text that is no UTF-8 is repaired by reading it, and may then have grown beyond its bound.
        bytes.withBytes { precondition((try? ConversionReply(parsing: $0)) != nil) }
        if case .packet = reply { precondition(bytes == input.array) }
    }
}

@main struct FuzzConversion {
    static func main() { fuzz(tryInput) }
}
