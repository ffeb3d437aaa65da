/// The size of a picture in luma samples, after cropping.
@frozen
public struct VideoResolution: Hashable, Sendable {
    public var width: Int
    public var height: Int

    @inlinable
    public init(width: Int, height: Int) {
        self.width = width
        self.height = height
    }
}
