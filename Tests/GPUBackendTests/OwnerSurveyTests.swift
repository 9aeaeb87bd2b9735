import Codec
import Foundation
import Testing

@testable import GPUBackend

@Suite("What shows that the owner of a host is there")
struct OwnerSurveyTests {
    private let folder: String

    init() throws {
        folder = NSTemporaryDirectory() + "/owner-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    private func program(_ text: String) throws -> String {
        let path = folder + "/away"
        try "#!/bin/sh\n\(text)\n".write(toFile: path, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        return path
    }

    private func objection(_ program: String) -> String? {
        OwnerSurvey(.init(inputs: nil, programs: [program])).round(waitMilliseconds: 0, listens: false).objection
    }

    @Test("a program that ends with 0 has nothing against it; what fails, hangs or is not there has")
    func programs() throws {
        #expect(objection(try program("exit 0")) == nil)
        #expect(objection(try program("exit 3")) == "\(folder)/away says so (exit code 3)")
        #expect(objection(try program("kill -9 $$")) == "\(folder)/away says so (exit code 137)")
        #expect(objection(try program("while :; do :; done")) == "\(folder)/away takes longer than a second")
        #expect(objection(folder + "/none") == "\(folder)/none: No such file or directory")
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: folder + "/away")
        #expect(objection(folder + "/away") == "\(folder)/away: Permission denied")
    }

    @Test("a touch ends the wait and is remembered; what comes later is found, what is no keyboard is not listened to")
    func input() throws {
        let keyboard = folder + "/event0"
        let sensor = folder + "/event1"
        for path in [keyboard, sensor] { #expect(mkfifo(path, 0o600) == 0) }
        let writers = [keyboard, sensor].map { (path: String) in open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC) }
        defer { for writer in writers { close(writer) } }
        var facts = stat()
        #expect(stat(keyboard, &facts) == 0)
        let number = facts.st_ino
        let survey = OwnerSurvey(.init(inputs: folder)) { file in
            var opened = stat()
            return fstat(file, &opened) == 0 && opened.st_ino == number
        }
        let before = survey.round(waitMilliseconds: 0, listens: true)
        #expect(write(writers[1], "x", 1) == 1)
        #expect(survey.round(waitMilliseconds: 0, listens: true).lastInput == before.lastInput)
        #expect(write(writers[0], "x", 1) == 1)
        // It would wait for an hour if nobody had touched anything.
        let after = survey.round(waitMilliseconds: 3_600_000, listens: true)
        let touched = try #require(after.lastInput)
        #expect(before.lastInput.map { $0 < touched } ?? true)
        #expect(survey.round(waitMilliseconds: 0, listens: false).lastInput == touched)
    }

    @Test("what all but jobs compute is known from the second look on, where control groups tell it from jobs")
    func load() {
        let survey = OwnerSurvey(.init(inputs: nil, load: true))
        let first = survey.round(waitMilliseconds: 0, listens: false)
        #expect(first.cpuMillis == nil)
        let second = survey.round(waitMilliseconds: 50, listens: false)
        #expect((second.cpuMillis == nil) == (second.objection != nil))
        #expect(second.objection ?? "no control groups" == "no control groups" || first.objection == second.objection)
    }
}
