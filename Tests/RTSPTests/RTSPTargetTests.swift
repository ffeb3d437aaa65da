import RTSP
import Testing

@Suite struct RTSPTargetTests {
    /// RTSP-19: where clients put the track.
    @Test(arguments: [
        ("rtsp://h:8554/cam1", RTSPTarget(path: "cam1")),
        ("rtsp://h:8554/cam1/", RTSPTarget(path: "cam1")),
        ("rtsp://h:8554/a/b/trackID=1", RTSPTarget(path: "a/b", track: 1)),
        ("rtsp://h:8554/cam1?token=x/trackID=0", RTSPTarget(path: "cam1", query: "token=x", track: 0)),
        ("rtsp://h:8554/cam1/trackID=0?token=x", RTSPTarget(path: "cam1", query: "token=x", track: 0)),
        ("rtsp://h:8554/cam1/?token=x/trackID=12/", RTSPTarget(path: "cam1", query: "token=x", track: 12)),
        ("rtsp://h/cam%201/trackID=x", RTSPTarget(path: "cam 1/trackID=x")),
        ("rtsp://u:p@[::1]:554/cam1/trackID=0", RTSPTarget(path: "cam1", track: 0)),
        ("/cam1/trackID=0", RTSPTarget(path: "cam1", track: 0)), ("*", RTSPTarget(path: "*")),
        ("", RTSPTarget(path: "")),
        ("rtsp://h", RTSPTarget(path: "")), ("rtsp://h/cam/trackID=300", RTSPTarget(path: "cam/trackID=300")),
    ])
    func tracksAreFoundWhereverTheyStand(_ url: String, _ expected: RTSPTarget) {
        #expect(RTSPTarget(url: url) == expected)
    }

    @Test(arguments: [
        ("rtsp://h/cam1/streamid=1", ["streamid=0", "streamid=1"], RTSPTarget(path: "cam1", track: 1)),
        ("rtsp://h/cam1/stream=0/", ["stream=0", "stream=1"], RTSPTarget(path: "cam1", track: 0)),
        ("rtsp://h/cam1/track1", ["rtsp://192.168.0.3/cam1/track1"], RTSPTarget(path: "cam1/track1", track: 0)),
        (
            "rtsp://h/cam1?u=1/streamid=0", ["streamid=0", "streamid=1"],
            RTSPTarget(path: "cam1", query: "u=1", track: 0)
        ),
        ("rtsp://h/cam1", [""], RTSPTarget(path: "cam1", track: 0)),
        ("rtsp://h/cam1", ["a", "b"], RTSPTarget(path: "cam1")),
        ("rtsp://h/cam1/streamid=10", ["streamid=1", "streamid=10"], RTSPTarget(path: "cam1", track: 1)),
    ])
    func announcedTracksAreFoundByTheirControls(_ url: String, _ controls: [String], _ expected: RTSPTarget) {
        #expect(RTSPTarget(url: url, controls: controls) == expected)
    }

    @Test func urlsAreTakenApart() throws {
        let url = try #require(RTSPURL("rtsps://us%40er:pa:ss@[fe80::1]:322/a?b"))
        #expect(url.isSecure)
        #expect(url.user == "us@er")
        #expect(url.password == "pa:ss")
        #expect(url.host == "fe80::1")
        #expect(url.port == 322)
        #expect(url.resource == "/a?b")
        #expect(url.text == "rtsps://[fe80::1]:322/a?b")
        for text in ["http://h/", "rtsp://", "rtsp://h:0/", "rtsp://h:65536", "rtsp://[::1", "rtsp", ""] {
            #expect(RTSPURL(text) == nil, "\(text)")
        }
    }

    @Test func streamsOfRTPInfoAreReadAndWritten() {
        let streams = [
            RTPInfo(url: "rtsp://h/a/trackID=0", sequenceNumber: 65_535, timestamp: 4_294_967_295),
            RTPInfo(url: "rtsp://h/a/trackID=1"),
        ]
        #expect(RTPInfo.parse(RTPInfo.text(streams)) == streams)
        #expect(
            RTPInfo.parse("url=a;seq=70000;rtptime=x, ;seq=1,url=\"b,c\";seq=2") == [
                RTPInfo(url: "a"), RTPInfo(url: "b,c", sequenceNumber: 2),
            ])
    }

    @Test func sessionsAreReadWithBlanksAnywhere() {
        #expect(RTSPSessionHeader("ABC ; timeout = 30 ") == RTSPSessionHeader(id: "ABC", timeoutSeconds: 30))
        #expect(RTSPSessionHeader("ABC") == RTSPSessionHeader(id: "ABC"))
        #expect(RTSPSessionHeader(" ;timeout=1") == nil)
    }
}
