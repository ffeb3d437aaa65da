import Codecs
import SDP
import Testing

@testable import WebRTC

/// The H264 match table, rows H1 to H10.
@Suite struct H264FormatTests {
    private func format(_ text: String) -> H264Format? { H264Format(FormatParameters(text)) }

    @Test(arguments: [
        ("profile-level-id=42e01f;packetization-mode=1", "profile-level-id=42e01f;packetization-mode=1", true),  // H1
        ("profile-level-id=42e01f;packetization-mode=1", "profile-level-id=42e034;packetization-mode=1", true),  // H2
        ("profile-level-id=42e01f;packetization-mode=1", "profile-level-id=42e01f;packetization-mode=0", false),  // H3
        ("profile-level-id=42e01f;packetization-mode=1", "profile-level-id=42001f;packetization-mode=1", false),  // H4
        ("profile-level-id=42e01f", "profile-level-id=4d801f", true),  // H5
        ("profile-level-id=42e01f", "profile-level-id=58c01f", true),
        ("profile-level-id=42e01f", "profile-level-id=42401f", true),
        ("profile-level-id=42e01f", "profile-level-id=42c01f", true),
        ("profile-level-id=640c1f", "profile-level-id=64001f", false),  // H6
        ("profile-level-id=64001f", "profile-level-id=42e01f", false),  // H7
        ("", "profile-level-id=42e01f;packetization-mode=1", false),  // H8
        ("profile-level-id=42E01F", "profile-level-id=42e01f", true),  // H9
        ("profile-level-id=4d001f", "profile-level-id=4D0028", true),
        ("profile-level-id=4d001f", "profile-level-id=58001f", false),
        ("profile-level-id=58801f", "profile-level-id=42001f", true),
        ("profile-level-id=6e001f", "profile-level-id=7a001f", false),
        ("profile-level-id=f4001f", "profile-level-id=f40028", true),
    ])
    func formatsMatchByProfileAndMode(_ local: String, _ remote: String, _ expected: Bool) throws {
        let local = try #require(format(local))
        let remote = try #require(format(remote))
        #expect(local.matches(remote) == expected)
        #expect(remote.matches(local) == expected)
    }

    /// H10.
    @Test(arguments: [
        "profile-level-id=42e0", "profile-level-id=zzzzzz", "profile-level-id=", "profile-level-id=+42e01",
        "profile-level-id=42e01f1f", "profile-level-id=ff001f", "packetization-mode=3", "packetization-mode=x",
    ])
    func brokenFormatsAreNone(_ text: String) {
        #expect(format(text) == nil)
    }

    @Test func absentParametersAreBaselineLevel1Mode0() throws {
        let missing = try #require(format(""))
        #expect(missing.profile == .baseline)
        #expect(missing.levelIDC == 10)
        #expect(missing.packetizationMode == 0)
    }

    @Test func higherProfilesDecodeLowerOnes() {
        #expect(H264Format.Profile.high.decodes(.constrainedHigh))  // H6
        #expect(H264Format.Profile.baseline.decodes(.constrainedBaseline))  // H4
        #expect(H264Format.Profile.high.decodes(.baseline))
        #expect(!H264Format.Profile.constrainedBaseline.decodes(.baseline))
        #expect(!H264Format.Profile.constrainedHigh.decodes(.main))
        #expect(!H264Format.Profile.main.decodes(.high))
        #expect(H264Format.Profile.high444.decodes(.high10))
    }

    // MARK: What a viewer gets (SDP-17)

    private func view(
        _ stream: String, offering formats: [String], force: Bool = true
    ) throws -> NegotiatedSession {
        var offer = OfferText.viewer
        let list = formats.enumerated().map { (96 + $0, "H264/90000", $1.isEmpty ? nil : $1) }
        offer.sections = [videoSection(list, mid: "0")]
        let track = AvailableTrack(codec: .h264, parameters: FormatParameters(stream))
        return try offer.viewed([track]) { $0.forcesH264Profile = force }
    }

    @Test(arguments: [
        // Exact profile first, wherever it stands.
        ("profile-level-id=42e01f;packetization-mode=1", 1),
        // Nobody offers main: high includes it.
        ("profile-level-id=4d0028;packetization-mode=1", 2),
        ("profile-level-id=640028;packetization-mode=1", 2),
        ("profile-level-id=640c28;packetization-mode=1", 2),
        ("profile-level-id=42001f;packetization-mode=1", 0),
        // Nothing includes High 10: constrained baseline.
        ("profile-level-id=6e0028;packetization-mode=1", 1),
        // A single NAL unit stream goes to mode 0, where that exists.
        ("profile-level-id=42e01f", 3),
    ])
    func theBestPayloadTypeIsChosen(_ stream: String, _ expected: Int) throws {
        let session = try view(
            stream,
            offering: [
                "profile-level-id=42001f;packetization-mode=1", "profile-level-id=42e01f;packetization-mode=1",
                "profile-level-id=64001f;packetization-mode=1", "profile-level-id=42e01f;packetization-mode=0",
            ])
        #expect(session.sections.first?.codec?.payloadType == UInt8(96 + expected))
    }

    @Test func theAnswerNamesTheStreamsLevel() throws {
        let session = try view(
            "profile-level-id=42e034;packetization-mode=1", offering: ["profile-level-id=42E01F;packetization-mode=1"])
        #expect(session.sections.first?.codec?.localParameters["profile-level-id"] == "42e034")
        #expect(session.notes.isEmpty)
    }

    /// H7: refused, or sent all the same and noted.
    @Test func aHigherProfileIsForcedOnlyWhereAllowed() throws {
        let stream = "profile-level-id=64001f;packetization-mode=1"
        let offered = ["profile-level-id=42e01f;packetization-mode=1"]
        let forced = try view(stream, offering: offered)
        #expect(forced.sections.first?.codec?.payloadType == 96)
        #expect(forced.notes.count == 1)
        let error = #expect(throws: NegotiationError.self) { try view(stream, offering: offered, force: false) }
        #expect(error?.description.contains("no profile") == true)
    }

    /// H3: fragments cannot go to a receiver of single NAL units.
    @Test func aFragmentedStreamNeedsMode1() {
        #expect(throws: NegotiationError.self) {
            try view("profile-level-id=42e01f;packetization-mode=1", offering: ["profile-level-id=42e01f", ""])
        }
    }

    @Test func brokenPayloadTypesAreSkipped() throws {
        let session = try view(
            "profile-level-id=42e01f;packetization-mode=1",
            offering: [
                "profile-level-id=42e0", "profile-level-id=zzzzzz", "profile-level-id=42e01f;packetization-mode=1",
            ])
        #expect(session.sections.first?.codec?.payloadType == 98)
    }
}
