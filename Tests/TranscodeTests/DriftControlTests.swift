import Testing

@testable import Transcode

@Suite struct DriftControlTests {
    private static let frame = 960.0

    @Test(
        arguments: [
            // Rounded timestamps, then a lost frame, and one that came twice.
            (0, .follow(stretch: 0)), (11, .follow(stretch: 0)), (-11, .follow(stretch: 0)), (960, .fill(960)),
            (720, .fill(720)), (90_000, .fill(90_000)), (-1_920, .skip), (-40_000, .skip), (96_001, .restart),
            (-48_001, .restart),
        ] as [(Double, DriftControl.Decision)])
    func differencesAreToldApart(_ difference: Double, _ decision: DriftControl.Decision) {
        var control = DriftControl()
        #expect(control.decide(difference: difference, duration: Self.frame) == decision)
    }

    @Test func whatIsLongLooksLikeAGapLater() {
        var control = DriftControl()
        guard case .follow = control.decide(difference: 1_500, duration: 3_072) else {
            Issue.record("half of a long frame is no gap")
            return
        }
    }

    /// A clock that is wrong by `drift`, with nothing but the control between it and ours.
    @Test(arguments: [50e-6, 200e-6, -200e-6, 5e-3])
    func aWrongClockIsFollowedWithoutSwinging(_ drift: Double) {
        var control = DriftControl()
        var difference = 0.0
        var stretch = 0.0
        var largest = 0.0
        var stretches: [Double] = []
        for _ in 0..<1_500 {
            difference += Self.frame * (drift - stretch)
            largest = max(largest, abs(difference))
            guard case .follow(let ratio) = control.decide(difference: difference, duration: Self.frame) else {
                Issue.record("a drift of \(drift) is taken for something else")
                return
            }
            stretch = ratio
            stretches.append(ratio)
        }
        // The rate of correction becomes the drift, and what is left is as much as that rate takes.
        let last = stretches.suffix(500).reduce(0, +) / 500
        #expect(abs(last - drift) < abs(drift) / 20)
        #expect(largest < abs(drift) * DriftControl.correctionTime * 1.3 + DriftControl.tolerance * 2)
    }

    @Test func theSoundIsNeverStretchedMoreThanAPercent() {
        var control = DriftControl()
        for _ in 0..<500 {
            guard case .follow(let ratio) = control.decide(difference: -1_900, duration: Self.frame) else {
                Issue.record("40 ms back is no overlap yet")
                return
            }
            #expect(abs(ratio) <= DriftControl.maximumStretch)
        }
    }
}
