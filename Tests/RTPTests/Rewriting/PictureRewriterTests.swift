import RTP
import TestKit
import Testing

@Suite struct PictureRewriterTests {
    private func picture(_ id: UInt16, _ layerZero: UInt8 = 0, _ key: UInt8 = 0, isLong: Bool = true) -> VP8Picture {
        VP8Picture(pictureID: id, isLongPictureID: isLong, temporalLayerZeroIndex: layerZero, keyIndex: key)
    }

    @Test func startsWhereItWasTold() {
        var rewriter = VP8PictureRewriter(firstPictureID: 0x8003, firstLayerZeroIndex: 7, firstKeyIndex: 30)
        rewriter.switchSource(to: picture(500, 9, 3))
        #expect(rewriter.rewrite(picture(500, 9, 3)) == picture(3, 7, 30))
        #expect(rewriter.rewrite(picture(500, 9, 3)) == picture(3, 7, 30))
        #expect(rewriter.rewrite(picture(501, 10, 3)) == picture(4, 8, 30))
    }

    @Test func numbersWrapAtTheirWidths() {
        var rewriter = VP8PictureRewriter(firstPictureID: 0x7FFF, firstLayerZeroIndex: 255, firstKeyIndex: 31)
        rewriter.switchSource(to: picture(0x7FFF, 255, 31))
        #expect(rewriter.rewrite(picture(0x7FFF, 255, 31)) == picture(0x7FFF, 255, 31))
        #expect(rewriter.rewrite(picture(0, 0, 0)) == picture(0, 0, 0))
        rewriter.switchSource(to: picture(9, 9, 9))
        #expect(rewriter.rewrite(picture(9, 9, 9)) == picture(1, 1, 1))
    }

    @Test func droppedPicturesAreClosedAndLateOnesKeepTheirPlace() {
        var rewriter = VP8PictureRewriter(firstPictureID: 100)
        rewriter.switchSource(to: picture(10))
        #expect(rewriter.rewrite(picture(10)).pictureID == 100)
        rewriter.drop(picture(11))
        #expect(rewriter.rewrite(picture(13)).pictureID == 102)
        rewriter.drop(picture(14))
        #expect(rewriter.rewrite(picture(15)).pictureID == 103)
        #expect(rewriter.rewrite(picture(12)).pictureID == 101)
        #expect(rewriter.rewrite(picture(16)).pictureID == 104)
    }

    /// Frames held back until a keyframe leave no hole in any of the numbers, in whichever order they came.
    @Test func whatIsHeldBackBeforeAKeyframeIsClosed() {
        var rewriter = VP8PictureRewriter(firstPictureID: 100, firstLayerZeroIndex: 20, firstKeyIndex: 3)
        rewriter.switchSource(to: picture(10, 7, 1))
        #expect(rewriter.rewrite(picture(10, 7, 1)) == picture(100, 20, 3))
        #expect(rewriter.rewrite(picture(11, 8, 1)) == picture(101, 21, 3))
        for (id, layerZero, key) in [(13, 10, 1), (12, 9, 1), (15, 12, 2), (14, 11, 2)] as [(UInt16, UInt8, UInt8)] {
            rewriter.drop(picture(id, layerZero, key))
        }
        #expect(rewriter.rewrite(picture(16, 13, 3)) == picture(102, 22, 4))
        #expect(rewriter.rewrite(picture(16, 13, 3)) == picture(102, 22, 4))
        // A late packet of a picture from before.
        #expect(rewriter.rewrite(picture(11, 8, 1)) == picture(101, 21, 3))
        #expect(rewriter.rewrite(picture(17, 14, 3)) == picture(103, 23, 4))
    }

    @Test func shortPictureNumbersAreExtended() {
        var rewriter = VP8PictureRewriter(firstPictureID: 1000)
        for number in 0..<400 {
            let id = UInt16(number % 128)
            #expect(rewriter.rewrite(picture(id, isLong: false)).pictureID == 1000 + UInt16(number))
        }
    }

    @Test func fieldsThatAreMissingStayMissing() {
        var rewriter = VP8PictureRewriter(firstPictureID: 1)
        let bare = VP8Picture(pictureID: nil, isLongPictureID: false, temporalLayerZeroIndex: nil, keyIndex: nil)
        rewriter.switchSource(to: bare)
        #expect(rewriter.rewrite(bare) == bare)
        rewriter.drop(bare)
        #expect(rewriter.rewrite(picture(5)).pictureID == 1)
    }

    @Test func vp9KeepsTheGapsOfPicturesLeftOut() {
        func picture(_ id: UInt16, _ layerZero: UInt8?) -> VP9Picture {
            VP9Picture(pictureID: id, isLongPictureID: true, temporalLayerZeroIndex: layerZero)
        }
        var rewriter = VP9PictureRewriter(firstPictureID: 50, firstLayerZeroIndex: 5)
        rewriter.switchSource(to: picture(7, 200))
        #expect(rewriter.rewrite(picture(7, 200)) == picture(50, 5))
        #expect(rewriter.rewrite(picture(9, 201)) == picture(52, 6))
        rewriter.switchSource(to: picture(0x7FFF, 3))
        #expect(rewriter.rewrite(picture(0x7FFF, 3)) == picture(53, 7))
        #expect(rewriter.rewrite(picture(1, nil)) == picture(55, nil))
    }

    /// PROP-6: over switches and dropped layers PictureID and TL0PICIDX have no holes.
    @Test func picturesAreContinuousOverSwitchesAndLayers() {
        var random = SplitMix64(seed: 6)
        var rewriter = VP8PictureRewriter(firstPictureID: 30_000, firstLayerZeroIndex: 250, firstKeyIndex: 30)
        var expectedPicture: UInt16 = 30_000
        var expectedLayerZero: UInt8 = 249
        var expectedKey: UInt8 = 29
        var source = picture(0, 0, 0)
        for index in 0..<50_000 {
            let layer = [0, 2, 1, 2][index % 4]
            if layer == 0, random.next() % 50 == 0 || index == 0 {
                source = picture(
                    UInt16.random(in: 0...0x7FFF, using: &random), UInt8.random(in: 0...255, using: &random),
                    UInt8.random(in: 0...31, using: &random))
                rewriter.switchSource(to: source)
                expectedKey = (expectedKey + 1) & 31
                expectedLayerZero &+= 1
            } else {
                source.pictureID = ((source.pictureID ?? 0) + 1) & 0x7FFF
                if layer == 0 {
                    source.temporalLayerZeroIndex = (source.temporalLayerZeroIndex ?? 0) &+ 1
                    expectedLayerZero &+= 1
                }
            }
            if layer > Int(random.next() % 3) {
                rewriter.drop(source)
                continue
            }
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let result = rewriter.rewrite(source)
                guard result == picture(expectedPicture, expectedLayerZero, expectedKey) else {
                    Issue.record("picture \(index): \(result)")
                    return
                }
            }
            expectedPicture = (expectedPicture + 1) & 0x7FFF
        }
    }
}
