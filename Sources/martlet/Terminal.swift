import Loop

/// Whole lines to the terminal, unbuffered, so that they stand in order with the log's.
enum Terminal {
    static func print(_ text: String) { FileWriter.standardOutput.write(Array((text + "\n").utf8)) }

    static func complain(_ text: String) { FileWriter.standardError.write(Array("martlet: \(text)\n".utf8)) }
}
