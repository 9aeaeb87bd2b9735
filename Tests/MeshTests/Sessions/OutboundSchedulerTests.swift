import Testing

@testable import Mesh

@Suite("What a session sends next")
struct OutboundSchedulerTests {
    private func drain(_ scheduler: inout OutboundScheduler, most: Int = .max) throws -> [SessionFrame] {
        var frames: [SessionFrame] = []
        while frames.count < most {
            var bytes: [UInt8] = []
            if case .nothing = scheduler.next(into: &bytes) { break }
            frames.append(try SessionFrame.decode(bytes[...]))
        }
        return frames
    }

    private func trafficClass(_ frame: SessionFrame) -> TrafficClass? {
        if case .post(let trafficClass, _) = frame { return trafficClass }
        return nil
    }

    @Test("every frame decodes to what was encoded, and each cut of it is refused")
    func coding() throws {
        let fragment = SessionFrame.Fragment(start: .init(kind: 9, total: 3), isLast: true, content: [1, 2, 3])
        let frames: [SessionFrame] = [
            .ready, .ping(1), .pong(.max), .close("why"), .post(.log, fragment), .streamOpen(7, kind: 3, .bulk),
            .streamData(5, fragment), .streamCredit(5, 6), .streamFinish(5), .streamReset(5),
        ]
        for frame in frames {
            var bytes: [UInt8] = []
            frame.encode(into: &bytes)
            #expect(try SessionFrame.decode(bytes[...]) == frame)
            switch frame {
            case .ready, .close, .post, .streamData: break
            default:
                for length in 1..<bytes.count {
                    #expect(throws: MeshError.self) { try SessionFrame.decode(bytes[..<length]) }
                }
                #expect(throws: MeshError.self) { try SessionFrame.decode((bytes + [0])[...]) }
            }
        }
        #expect(throws: MeshError.self) { try SessionFrame.decode([]) }
        #expect(throws: MeshError.self) { try SessionFrame.decode([200]) }
        #expect(SessionFrame.printable([0x1B, 0x5B, 0x41]) == "?[A")
    }

    @Test("when all classes wait, each gets the share of its quantum and control goes first")
    func shares() throws {
        var scheduler = OutboundScheduler()
        let message = [UInt8](repeating: 0, count: 32_000)
        for trafficClass in TrafficClass.allCases.reversed() {
            for _ in 0..<200 { try scheduler.post(1, message, trafficClass) }
        }
        let frames = try drain(&scheduler, most: 150)
        #expect(trafficClass(frames[0]) == .control)
        let counts = TrafficClass.allCases.map { wanted in frames.count { trafficClass($0) == wanted } }
        #expect(counts[0] > counts[1] && counts[1] > counts[2] && counts[2] >= 15)
    }

    @Test("a lone class has the connection to itself, and an idle class saves nothing up")
    func idleClass() throws {
        var scheduler = OutboundScheduler()
        for _ in 0..<500 { try scheduler.post(1, [UInt8](repeating: 0, count: 30_000), .bulk) }
        #expect(try drain(&scheduler).count == 500)
        for _ in 0..<100 {
            try scheduler.post(1, [UInt8](repeating: 0, count: 30_000), .control)
            try scheduler.post(1, [UInt8](repeating: 0, count: 30_000), .bulk)
        }
        let first = try drain(&scheduler, most: 40)
        #expect(first.contains { trafficClass($0) == .bulk })
        #expect(first.count { trafficClass($0) == .control } > 25)
    }

    @Test("a stream sends no more than its credit and goes on when it gets some")
    func credit() throws {
        var scheduler = OutboundScheduler()
        scheduler.addStream(1, .bulk)
        scheduler.give(1, [UInt8](repeating: 0, count: 300_000))
        func content(_ frames: [SessionFrame]) -> Int {
            frames.reduce(0) { sum, frame in
                guard case .streamData(_, let fragment) = frame else { return sum }
                return sum + fragment.content.count + SessionConstants.fragmentOverheadBytes
            }
        }
        #expect(content(try drain(&scheduler)) == SessionConstants.streamWindowBytes)
        #expect(scheduler.isEmpty)
        let isHonest = scheduler.credit(1, 65_536)
        #expect(isHonest)
        let rest = try drain(&scheduler)
        guard case .streamData(1, let last)? = rest.last else {
            Issue.record("no last fragment")
            return
        }
        #expect(last.isLast)
        let isTooMuch = !scheduler.credit(1, UInt32(SessionConstants.streamWindowBytes))
        #expect(isTooMuch)
        scheduler.give(1, [])
        scheduler.removeStream(1)
        #expect(scheduler.isEmpty)
    }
}
