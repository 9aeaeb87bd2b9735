import Codec
import Testing

@testable import Node

@Suite("What a relay carries for a pair")
struct RelayMeterTests {
    private let start = Instant(nanoseconds: 1_000_000_000)

    @Test("a pair gets its rate and no more, however many sessions it has")
    func rate() {
        var meter = RelayMeter(at: start)
        var clocks = [Instant](repeating: start, count: 8)
        let end = start + .seconds(10)
        // Each session sends its next message when the one before has waited.
        while let next = clocks.min(), next < end, let session = clocks.firstIndex(of: next) {
            clocks[session] = next + meter.charge(32_768, debtMax: 0, at: next)
        }
        let most = Double(10 * RelayMeter.bytesPerSecond + RelayMeter.burstBytes) * 1.01
        #expect(Double(meter.byteCount) < most)
        #expect(Double(meter.byteCount) > Double(10 * RelayMeter.bytesPerSecond) * 0.95)
    }

    @Test("votes pass while files wait")
    func debt() {
        var meter = RelayMeter(at: start)
        while meter.charge(32_768, debtMax: 0, at: start) == .zero {}
        #expect(meter.charge(200, debtMax: RelayMeter.burstBytes, at: start) == .zero)
        #expect(meter.charge(200, debtMax: 0, at: start) > .zero)
    }
}
