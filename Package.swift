// swift-tools-version: 6.2
import PackageDescription

/// Shared by every Swift target: Swift 6 mode, explicit imports, warnings as errors, strict memory safety.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
    .strictMemorySafety(),
    .unsafeFlags(["-cross-module-optimization"], .when(configuration: .release)),
]

func module(_ name: String, _ dependencies: [Target.Dependency], settings: [SwiftSetting] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict + settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies + ["TestKit", "Wire"], swiftSettings: strict)
}

/// `FUZZ=1 swift build --product fuzz-…` adds the fuzz targets; they need `-sanitize=fuzzer` and lld (see scripts/fuzz).
func fuzz(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies + ["FuzzKit", "Wire"], swiftSettings: strict)
}
let fuzzTargets: [Target] =
    Context.environment["FUZZ"] == nil
    ? []
    : [
        .target(name: "CFuzzer"),
        module("FuzzKit", ["CFuzzer", "Wire"]),
        fuzz("fuzz-stun", ["ICE"]),
        fuzz("fuzz-framing", ["ICE"]),
        fuzz("fuzz-rtp", ["RTP"]),
        fuzz("fuzz-rtcp", ["RTP"]),
        fuzz("fuzz-ingest", ["RTP", "SDP", "WebRTC"]),
        fuzz("fuzz-congestion", ["Codecs", "RTP", "Streams", "TestKit"]),
        fuzz("fuzz-dependency-descriptor", ["RTP"]),
        fuzz("fuzz-sdp", ["SDP"]),
        fuzz("fuzz-sdpfrag", ["SDP"]),
        fuzz("fuzz-http", ["HTTP"]),
        fuzz("fuzz-rtsp", ["RTSP"]),
        fuzz("fuzz-rtsp-headers", ["RTSP"]),
        fuzz("fuzz-rtsp-client", ["RTSP"]),
        fuzz("fuzz-rtsp-description", ["Server"]),
        fuzz("fuzz-payloads", ["RTP", "Codecs"]),
        fuzz("fuzz-parameters", ["RTP", "Codecs"]),
        fuzz("fuzz-conversion", ["Conversion"]),
        fuzz("fuzz-settings", ["Server"]),
    ]

let package = Package(
    name: "martlet",
    products: [
        .library(name: "MartletKit", targets: ["Server"]),
        .executable(name: "martlet", targets: ["martlet"]),
        .executable(name: "martlet-transcoder", targets: ["martlet-transcoder"]),
        .executable(name: "martlet-bench", targets: ["martlet-bench"]),
    ],
    targets: [
        // C: system libraries and macro shims.
        .target(name: "CLinux"),
        .target(name: "CAllocationCounter"),
        .target(name: "CConfinement"),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CSRTP", pkgConfig: "libsrtp2", providers: [.apt(["libsrtp2-dev"])]),
        .systemLibrary(
            name: "CAV", pkgConfig: "libavcodec", providers: [.apt(["libavcodec-dev", "libswresample-dev"])]),
        .systemLibrary(name: "COpus", pkgConfig: "opus", providers: [.apt(["libopus-dev"])]),
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),

        // L0
        module("Wire", [], settings: [.enableExperimentalFeature("Lifetimes")]),

        // L1: sans-IO protocols.
        module("Codecs", ["Wire"]),
        module("RTP", ["Wire", "Codecs"]),
        module("SDP", ["Wire"]),
        module("ICE", ["Wire"]),
        module("Secure", ["Wire", "COpenSSL"]),
        module("WebRTC", ["Wire", "ICE", "Secure", "RTP", "SDP", "Codecs"]),
        module("HTTP", ["Wire"]),
        module("RTSP", ["Wire"]),
        module("Conversion", ["Wire", "Codecs"]),

        // L2
        module("Streams", ["Wire", "RTP", "Codecs"]),

        module("Transcode", ["Wire", "Codecs", "Conversion", "CAV", "COpus", "CConfinement"]),

        // L3
        module("Loop", ["Wire", "CLinux"]),

        // L4
        module(
            "Server",
            [
                "Wire", "Codecs", "RTP", "SDP", "ICE", "Secure", "WebRTC", "HTTP", "RTSP", "Conversion",
                "Streams", "Loop", "CYAML",
            ]),

        // L5
        .executableTarget(name: "martlet", dependencies: ["Server", "Loop", "Wire"], swiftSettings: strict),
        .executableTarget(
            name: "martlet-transcoder", dependencies: ["Transcode", "Conversion"], swiftSettings: strict),
        .executableTarget(
            name: "martlet-bench",
            dependencies: [
                "CAllocationCounter", "Wire", "Codecs", "RTP", "SDP", "ICE", "Secure", "WebRTC", "HTTP", "RTSP",
                "Streams",
                "Loop",
                "Server",
            ], swiftSettings: strict),

        // Tests
        .target(
            name: "TestKit", dependencies: ["CTestClock", "Wire", "ICE", "Secure", "RTP", "Codecs"],
            path: "Tests/TestKit",
            swiftSettings: strict),
        .target(name: "CTestClock", path: "Tests/CTestClock"),
        tests("WireTests", []),
        tests("CodecsTests", ["Codecs"]),
        tests("RTPTests", ["RTP", "Codecs"]),
        tests("ConversionTests", ["Conversion", "Codecs"]),
        tests("TranscodeTests", ["Transcode", "Conversion", "Codecs", "COpus"]),
        tests("SDPTests", ["SDP"]),
        tests("ICETests", ["ICE", "Secure"]),
        tests("SecureTests", ["Secure", "COpenSSL", "CSRTP"]),
        tests("WebRTCTests", ["WebRTC", "SDP", "ICE", "Secure", "RTP", "Codecs"]),
        tests("HTTPTests", ["HTTP"]),
        tests("RTSPTests", ["RTSP", "Secure"]),
        tests("StreamsTests", ["Streams", "Loop", "RTP", "Codecs", "WebRTC", "SDP", "ICE", "Secure"]),
        tests("LoopTests", ["Loop", "CLinux"]),
        tests(
            "ServerTests", ["Server", "Loop", "HTTP", "Secure", "WebRTC", "SDP", "ICE", "RTP", "Streams", "Codecs"]),
    ] + fuzzTargets
)
