import Codecs
import RTP
import Wire

/// Keeps the picture numbers inside a payload continuous over changes of layer and publisher (RTP-29, RTP-30), for
/// the codecs that have them; other payloads pass unchanged.
struct PictureRewriter {
    private enum State {
        case none
        case vp8(VP8PictureRewriter)
        case vp9(VP9PictureRewriter)
        case units(FillerRemoval)
    }

    /// What to write over the copied payload.
    enum Patch: Sendable {
        case none
        case vp8(VP8PayloadDescriptor, VP8Picture)
        case vp9(VP9PayloadDescriptor, VP9Picture)
        case units(FillerRemoval)

        /// The numbers written, to be kept for sending the packet again.
        var numbers: SentPictureNumbers {
            switch self {
            case .none, .units: SentPictureNumbers()
            case .vp8(_, let picture):
                SentPictureNumbers(
                    pictureID: picture.pictureID ?? 0, temporalLevelZeroIndex: picture.temporalLayerZeroIndex ?? 0,
                    keyIndex: picture.keyIndex ?? 0)
            case .vp9(_, let picture):
                SentPictureNumbers(
                    pictureID: picture.pictureID ?? 0, temporalLevelZeroIndex: picture.temporalLayerZeroIndex ?? 0)
            }
        }

        /// Appends `payload` with the new numbers in it.
        func append(_ payload: RawSpan, to output: inout OutputRawSpan) {
            let offset = output.byteCount
            if case .units(let removal) = self { return removal.append(payload, to: &output) }
            output.append(contentsOf: payload)
            switch self {
            case .none, .units: break
            case .vp8(let descriptor, let picture):
                descriptor.rewrite(
                    pictureID: picture.pictureID ?? 0, temporalLevelZeroIndex: picture.temporalLayerZeroIndex ?? 0,
                    keyIndex: picture.keyIndex ?? 0, in: &output, payloadOffset: offset)
            case .vp9(let descriptor, let picture):
                descriptor.rewrite(
                    pictureID: picture.pictureID ?? 0, temporalLevelZeroIndex: picture.temporalLayerZeroIndex ?? 0,
                    in: &output, payloadOffset: offset)
            }
        }
    }

    private var state: State

    /// What gives `payload` the numbers again that it was sent with.
    func patch(_ payload: RawSpan, with numbers: SentPictureNumbers) -> Patch {
        switch state {
        case .none: return .none
        case .units(let removal): return removal.applies(to: payload) ? .units(removal) : .none
        case .vp8:
            guard let descriptor = try? VP8PayloadDescriptor(parsing: payload) else { return .none }
            var picture = VP8Picture(descriptor)
            picture.pictureID = numbers.pictureID
            picture.temporalLayerZeroIndex = numbers.temporalLevelZeroIndex
            picture.keyIndex = numbers.keyIndex
            return .vp8(descriptor, picture)
        case .vp9:
            guard let descriptor = try? VP9PayloadDescriptor(parsing: payload) else { return .none }
            var picture = VP9Picture(descriptor)
            picture.pictureID = numbers.pictureID
            picture.temporalLayerZeroIndex = numbers.temporalLevelZeroIndex
            return .vp9(descriptor, picture)
        }
    }

    /// - Parameters:
    ///   - firstPictureID: random; the first picture sent gets it.
    ///   - removesFiller: whether the viewer gets no delimiters and no filler.
    init(codec: Codec, firstPictureID: UInt16, removesFiller: Bool = false) {
        switch codec {
        case .vp8: state = .vp8(VP8PictureRewriter(firstPictureID: firstPictureID))
        case .vp9: state = .vp9(VP9PictureRewriter(firstPictureID: firstPictureID))
        default: state = removesFiller ? FillerRemoval(codec).map { .units($0) } ?? .none : .none
        }
    }

    /// The stream goes over to another source; `payload` begins its first picture.
    mutating func switchSource(_ payload: RawSpan) {
        switch state {
        case .none, .units: break
        case .vp8(var rewriter):
            guard let descriptor = try? VP8PayloadDescriptor(parsing: payload) else { return }
            rewriter.switchSource(to: VP8Picture(descriptor))
            state = .vp8(rewriter)
        case .vp9(var rewriter):
            guard let descriptor = try? VP9PayloadDescriptor(parsing: payload) else { return }
            rewriter.switchSource(to: VP9Picture(descriptor))
            state = .vp9(rewriter)
        }
    }

    /// A packet of a picture that is left out.
    mutating func drop(_ payload: RawSpan) {
        // Only VP8's numbers close up: VP9's references are differences of numbers.
        guard case .vp8(var rewriter) = state, let descriptor = try? VP8PayloadDescriptor(parsing: payload) else {
            return
        }
        rewriter.drop(VP8Picture(descriptor), isLayerZero: descriptor.temporalLayer ?? 0 == 0)
        state = .vp8(rewriter)
    }

    /// The numbers for a packet that is about to be sent.
    mutating func rewrite(_ payload: RawSpan) -> Patch {
        switch state {
        case .none: return .none
        case .units(let removal): return removal.applies(to: payload) ? .units(removal) : .none
        case .vp8(var rewriter):
            guard let descriptor = try? VP8PayloadDescriptor(parsing: payload) else { return .none }
            let picture = rewriter.rewrite(VP8Picture(descriptor))
            state = .vp8(rewriter)
            return .vp8(descriptor, picture)
        case .vp9(var rewriter):
            guard let descriptor = try? VP9PayloadDescriptor(parsing: payload) else { return .none }
            let picture = rewriter.rewrite(VP9Picture(descriptor))
            state = .vp9(rewriter)
            return .vp9(descriptor, picture)
        }
    }
}

extension VP8Picture {
    init(_ descriptor: VP8PayloadDescriptor) {
        self.init(
            pictureID: descriptor.pictureID, isLongPictureID: descriptor.hasLongPictureID,
            temporalLayerZeroIndex: descriptor.temporalLevelZeroIndex, keyIndex: descriptor.keyIndex)
    }
}

extension VP9Picture {
    init(_ descriptor: VP9PayloadDescriptor) {
        self.init(
            pictureID: descriptor.pictureID, isLongPictureID: descriptor.hasLongPictureID,
            temporalLayerZeroIndex: descriptor.temporalLevelZeroIndex)
    }
}
