import GPUBackend
import Scheduler
import Testing

@testable import Node

@Suite("What attempts use of devices")
struct GPUMeterTests {
    private let key = AttemptKey(job: 1, task: 0, attempt: 1)

    @Test("the mean of what is seen, the highest memory of all together, energy from the beginning on")
    func sums() {
        var meter = GPUMeter()
        meter.look([0: DeviceUse(utilisation: 9, usedBytes: 1, millijoules: 1_000)])
        meter.begin(key, on: [0, 1])
        meter.look([
            0: DeviceUse(utilisation: 100, usedBytes: 30, millijoules: 1_500),
            1: DeviceUse(utilisation: 50, usedBytes: 20, millijoules: 70),
        ])
        meter.look([
            0: DeviceUse(utilisation: 100, usedBytes: 10, millijoules: 2_000),
            1: DeviceUse(utilisation: 52, usedBytes: 20, millijoules: 80),
        ])
        #expect(meter.end(key) == GPUUsage(utilisation: 76, peakMemoryBytes: 50, millijoules: 1_010))
        #expect(meter.end(key) == nil)
    }

    @Test("a device that does not say gives nothing, and one that says half gives half")
    func silent() {
        var meter = GPUMeter()
        meter.begin(key, on: [0])
        meter.look([0: DeviceUse()])
        #expect(meter.end(key) == nil)
        meter.begin(key, on: [0])
        meter.look([0: DeviceUse(utilisation: 10)])
        #expect(meter.end(key) == GPUUsage(utilisation: 10))
        meter.begin(key, on: [])
        #expect(meter.end(key) == nil)
    }

    @Test("a driver that was loaded anew counts energy from nothing")
    func reloaded() {
        var meter = GPUMeter()
        meter.look([0: DeviceUse(millijoules: 5_000)])
        meter.begin(key, on: [0])
        meter.look([0: DeviceUse(millijoules: 40)])
        #expect(meter.end(key) == GPUUsage(millijoules: 40))
    }
}
