import Codec
import Testing

@testable import Scheduler

@Suite("Settings of the mesh")
struct SettingTests {
    private func set(_ key: String, _ value: String?) -> Command { .configure(key: key, value: value, by: "ana") }

    @Test("a setting holds once it is set, says by whom, and has its default again when it is taken away")
    func life() {
        var mesh = StateUnderTest("owl")
        #expect(mesh.state.meshSettings == MeshSettings())
        #expect(mesh.run(set("autopilot.voters", "5")) == .ok)
        #expect(mesh.events == [.settingChanged(key: "autopilot.voters")])
        #expect(mesh.state.meshSettings.voters == 5)
        #expect(mesh.state.setting("autopilot.voters")?.changedBy == "ana")
        #expect(mesh.state.setting("autopilot.voters")?.changedAt == mesh.state.time)
        mesh.run(set("autopilot.replace-dead-voter-after", "1h30m"))
        #expect(mesh.state.meshSettings.replaceDeadVoterAfter == .seconds(5_400))
        #expect(mesh.run(set("autopilot.voters", nil)) == .ok)
        #expect(mesh.run(set("autopilot.voters", nil)) == .ok)
        #expect(mesh.events.isEmpty)
        #expect(mesh.state.meshSettings.voters == nil)
    }

    @Test("every default is a value of its setting and is what the mesh uses")
    func defaults() {
        for setting in MeshSetting.allCases { #expect(setting.allows(setting.defaultValue), "\(setting.key)") }
        #expect(StateUnderTest("owl").state.meshSettings == MeshSettings())
    }

    @Test(
        "what no setting can be is refused with its code and changes nothing",
        arguments: [
            ("autopilot.voter", "3", "config.unknown_key"), ("voters", "3", "config.unknown_key"),
            ("autopilot.voters", "2", "config.bad_value"), ("autopilot.voters", "", "config.bad_value"),
            ("autopilot.replace-dead-voter-after", "1s", "config.bad_value"),
            ("autopilot.replace-dead-voter-after", "soon", "config.bad_value"),
            ("user.", "x", "config.bad_key"), ("user.a b", "x", "config.bad_key"),
            ("user." + String(repeating: "k", count: 124), "x", "config.bad_key"),
            ("user.x", "two\nlines", "config.bad_value"),
            ("user.x", String(repeating: "v", count: 1_025), "config.too_large"),
        ])
    func refused(_ key: String, _ value: String, _ code: String) {
        var mesh = StateUnderTest("owl")
        #expect(mesh.run(set(key, value)).code == code)
        #expect(mesh.state.settings.isEmpty)
        #expect(mesh.events.isEmpty)
    }

    @Test("a key that is nearly one of the mesh's own is answered with that one")
    func nearest() {
        var mesh = StateUnderTest("owl")
        guard case .refused(_, _, let hint) = mesh.run(set("autopilot.voter", "3")) else {
            Issue.record("it was taken")
            return
        }
        #expect(hint.hasPrefix("did you mean autopilot.voters? "))
    }

    @Test("users keep a thousand keys; one more is refused, a change of one and the mesh's own are not")
    func bounded() {
        var mesh = StateUnderTest("owl")
        for number in 0..<1_000 { #expect(mesh.run(set("user.k\(number)", "v")) == .ok) }
        #expect(mesh.run(set("user.more", "v")).code == "config.too_many")
        #expect(mesh.run(set("user.k7", "w")) == .ok)
        #expect(mesh.run(set("autopilot.voters", "3")) == .ok)
        mesh.run(set("user.k8", nil))
        #expect(mesh.run(set("user.more", "v")) == .ok)
        #expect(mesh.state.settings.count == 1_001)
    }

    @Test("settings survive a snapshot, their count as well")
    func snapshot() throws {
        var mesh = StateUnderTest("owl")
        for number in 0..<999 { mesh.run(set("user.k\(number)", "v")) }
        mesh.run(set("autopilot.voters", "3"))
        var copy = try SchedulerState(encoded: mesh.state.encoded())
        #expect(copy.settings == mesh.state.settings)
        #expect(copy.encoded() == mesh.state.encoded())
        #expect(copy.apply(mesh.entry(set("user.a", "v"))).answer == .ok)
        #expect(copy.apply(mesh.entry(set("user.b", "v"))).answer.code == "config.too_many")
    }
}
