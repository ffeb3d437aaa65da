import Streams

extension WebRTCService {
    /// What a room can send to viewers over WebRTC: in place of sound that browsers do not take, what it is converted to.
    func viewerFormats(of room: Room) async -> [TrackFormat] {
        let formats = await room.renditionFormats
        if let sound = formats.first(where: \.isForeignSound),
            let conversion = await room.soundConverter as? SoundConversion
        {
            await conversion.viewerGetsNoSound(sound)
        }
        return formats
    }
}
