import Conversion
import Glibc
import Transcode

@main
struct Main {
    /// Three times what libavcodec, with everything Debian links into it, and a conversion were seen to take.
    private static let addressSpace = 512 << 20
    /// One message of 64 KiB takes milliseconds.
    private static let deadline: UInt32 = 10

    private static let help = """
        martlet-transcoder converts sound to Opus for martlet, which starts it where a source
        sends what browsers do not play: AAC, MP3, AC-3, E-AC-3, linear sound. It is not meant
        to be started by hand.

        usage: martlet-transcoder [DESCRIPTOR]

          DESCRIPTOR   of the socket over which the messages come; 3 without it
          --version    print what it converts with
          --help       print this
        """

    static func main() {
        let arguments = CommandLine.arguments.dropFirst()
        var descriptor: Int32 = 3
        switch arguments.first {
        case nil: break
        case "--help", "-h": return print(help)
        case "--version", "-v":
            return print("martlet-transcoder, messages \(ConversionMessages.version), \(TranscoderService.libraries)")
        case let word?:
            guard arguments.count == 1, let number = Int32(word), number >= 0 else {
                fail("unknown argument '\(word)'; martlet-transcoder --help says what it is for", status: 2)
            }
            descriptor = number
        }
        do throws(TranscoderService.Failure) {
            var service = try TranscoderService(descriptor: descriptor, deadline: deadline)
            do throws(Confinement.Failure) {
                try Confinement.enter(descriptor: descriptor, addressSpace: addressSpace)
            } catch {
                fail(error.description, status: 1)
            }
            try service.run()
        } catch {
            fail(error.description, status: 1)
        }
    }

    private static func fail(_ message: String, status: Int32) -> Never {
        StandardError.write("martlet-transcoder: \(message)")
        exit(status)
    }
}
