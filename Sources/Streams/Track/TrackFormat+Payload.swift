public import RTP

extension TrackFormat {
    /// What is needed to take its payloads apart.
    public var payloadDescription: PayloadDescription {
        PayloadDescription(codec: codec, encodingName: encodingName, clockRate: clockRate, channels: channels) { name in
            self[name]
        }
    }

    /// The parameter sets that its parameters tell, as NAL units without start code.
    public var announcedParameterSets: [[UInt8]] { ParameterSets.announced(codec) { self[$0] } }
}
