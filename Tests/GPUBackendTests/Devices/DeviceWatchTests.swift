import Scheduler
import Testing

@testable import GPUBackend

@Suite("Devices that fail are taken from jobs, and given back when their driver says so")
struct DeviceWatchTests {
    private static func card(
        _ number: UInt32, _ condition: SeenDevice.Condition = .works, uuid: String? = nil, users: [Int32] = []
    ) -> SeenDevice {
        var card = SeenDevice(card: number, uuid: uuid ?? "GPU-\(number)", model: "NVIDIA H100", memoryBytes: 80 << 30)
        card.condition = condition
        card.strangers = users.map { SeenDevice.Stranger(process: $0, user: "bob") }
        return card
    }

    private static func instance(_ number: UInt32, of card: UInt32) -> SeenDevice {
        var part = SeenDevice(
            card: card, instance: .init(number: number, gpuInstance: number + 1, computeInstance: 0),
            uuid: "MIG-\(card)-\(number)", model: "NVIDIA A100-SXM4-40GB MIG 1g.5gb", memoryBytes: 5 << 30)
        part.condition = .works
        return part
    }

    private static let lost: SeenDevice = {
        var card = SeenDevice(card: 1, uuid: "", model: "lost", memoryBytes: 0)
        card.condition = .lost
        return card
    }()

    private func obstacles(_ watch: DeviceWatch) -> [GPUObstacle.Kind?] { watch.gpus.map { $0.obstacle?.kind } }

    @Test("an error of the hardware takes its card from jobs, and the driver's word gives it back, said twice")
    func recovery() {
        var watch = DeviceWatch()
        watch.look([Self.card(0), Self.card(1)])
        watch.report(DeviceFault(card: 1, xid: 79))
        #expect(obstacles(watch) == [nil, .unhealthy])
        #expect(watch.gpus[1].obstacle?.text.hasPrefix("XID 79") == true)
        watch.look([Self.card(0), Self.card(1)])
        #expect(obstacles(watch) == [nil, .unhealthy])
        watch.look([Self.card(0), Self.card(1)])
        #expect(obstacles(watch) == [nil, nil])
    }

    @Test("a card whose driver wants a reset stays out until it does not any more")
    func reset() {
        var watch = DeviceWatch()
        watch.look([Self.card(0)])
        watch.report(DeviceFault(card: 0, xid: 48))
        for _ in 0..<5 { watch.look([Self.card(0, .wants(.reset))]) }
        #expect(watch.gpus[0].obstacle?.text == "XID 48; reset it: nvidia-smi --gpu-reset -i 0")
        #expect(watch.waitsForReset)
        watch.look([Self.card(0)])
        #expect(obstacles(watch) == [nil])
        #expect(!watch.waitsForReset)
    }

    @Test("a driver that says nothing of recovery never gives a card back by saying nothing")
    func silentDriver() {
        var watch = DeviceWatch()
        watch.look([Self.card(0, .worksAsFarAsKnown)])
        watch.report(DeviceFault(card: 0, xid: 95))
        for _ in 0..<10 { watch.look([Self.card(0, .worksAsFarAsKnown)]) }
        #expect(obstacles(watch) == [.unhealthy])
        #expect(watch.waitsForReset)
    }

    @Test("errors that programs make are theirs", arguments: [13, 31, 43, 45, 68, 109] as [UInt64])
    func programs(xid: UInt64) {
        var watch = DeviceWatch()
        watch.look([Self.card(0)])
        watch.report(DeviceFault(card: 0, xid: xid))
        #expect(obstacles(watch) == [nil])
        watch.report(DeviceFault(card: 0, xid: xid + 1))
        #expect(obstacles(watch) == [.unhealthy])
    }

    @Test("an error of an unknown card may be of any")
    func unknownCard() {
        var watch = DeviceWatch()
        watch.look([Self.card(0), Self.card(1)])
        watch.report(DeviceFault(card: nil, xid: 79))
        #expect(obstacles(watch) == [.unhealthy, .unhealthy])
    }

    @Test("a lost card keeps its name, and comes back under it")
    func lostCard() {
        var watch = DeviceWatch()
        watch.look([Self.card(0), Self.card(1)])
        watch.look([Self.card(0), Self.lost])
        #expect(obstacles(watch) == [nil, .unhealthy])
        #expect(watch.gpus[1].uuid == "GPU-1" && watch.gpus[1].model == "H100")
        watch.look([Self.card(0), Self.card(1)])
        #expect(obstacles(watch) == [nil, nil])
    }

    @Test("a card that the driver does not list any more is not forgotten; one that is new is there at once")
    func hotPlug() {
        var watch = DeviceWatch()
        watch.look([Self.card(0)])
        watch.look([Self.card(0), Self.card(1)])
        #expect(obstacles(watch) == [nil, nil])
        watch.look([Self.card(1)])
        #expect(watch.gpus.map(\.index) == [0, 1])
        #expect(obstacles(watch) == [.unhealthy, nil])
    }

    @Test("another card in the same slot has no past")
    func exchanged() {
        var watch = DeviceWatch()
        watch.look([Self.card(0, .worksAsFarAsKnown)])
        watch.report(DeviceFault(card: 0, xid: 79))
        watch.look([Self.card(0, .worksAsFarAsKnown, uuid: "GPU-new")])
        #expect(obstacles(watch) == [nil])
        #expect(watch.gpus[0].uuid == "GPU-new")
    }

    @Test("a card in use by somebody else waits, but not for a process that is just ending")
    func inUse() {
        var watch = DeviceWatch()
        watch.look([Self.card(0)])
        watch.look([Self.card(0, users: [4711])])
        #expect(obstacles(watch) == [nil])
        watch.look([Self.card(0, users: [4711, 4712])])
        #expect(watch.gpus[0].obstacle == GPUObstacle(.inUse, "in use by bob (4711) and 1 more"))
        watch.look([Self.card(0)])
        #expect(obstacles(watch) == [nil])
    }

    @Test("whoever computes before the daemon starts was there first")
    func inUseAtStart() {
        var watch = DeviceWatch()
        watch.look([Self.card(0, users: [4711])])
        #expect(obstacles(watch) == [.inUse])
    }

    @Test("a divided card is used through its instances, and an error of one is its own")
    func instances() {
        var watch = DeviceWatch()
        let divided = [Self.card(0, .divided), Self.instance(0, of: 0), Self.instance(1, of: 0), Self.card(1)]
        watch.look(divided)
        #expect(watch.gpus.map(\.index) == [1, 100, 101])
        #expect(watch.gpus[1].model == "A100-SXM4 MIG 1g.5gb")
        watch.report(DeviceFault(card: 0, gpuInstance: 2, xid: 95))
        #expect(obstacles(watch) == [nil, nil, .unhealthy])
        watch.look([Self.card(0, .divided), Self.card(1)])
        #expect(watch.gpus.map(\.index) == [0, 1])
        #expect(watch.gpus[0].obstacle?.text.hasPrefix("it is divided") == true)
    }

    @Test("while a driver refuses to list its cards none of them is trusted, and those of others are")
    func refusal() {
        var other = Self.card(64)
        other.maker = .amd
        var watch = DeviceWatch()
        watch.look([Self.card(0), other])
        watch.fail(.nvidia, "NVIDIA driver: Driver/library version mismatch")
        #expect(obstacles(watch) == [.unhealthy, nil])
        #expect(watch.problem == "NVIDIA driver: Driver/library version mismatch")
        watch.look([Self.card(0), other])
        #expect(obstacles(watch) == [nil, nil])
        #expect(watch.problem == nil)
    }

    @Test("memory that could not be mended ends a card's service")
    func wornOut() {
        var watch = DeviceWatch()
        watch.look([Self.card(0, .wornOut)])
        #expect(obstacles(watch) == [.unhealthy])
        #expect(!watch.waitsForReset)
    }
}
