import Foundation
import Testing

@Suite("What is typed wrong is answered in two lines: what is wrong, and the way out")
struct UsageTests {
    struct Slip: Sendable, CustomTestStringConvertible {
        let words: [String]
        let code: String
        let message: String
        let hint: String
        var exitCode: Int32 = 2
        var testDescription: String { words.joined(separator: " ") }
    }

    static let slips = [
        Slip(
            words: ["run", "--gpu", "1", "--", "python", "train.py"], code: "usage.unknown_flag",
            message: "unknown flag --gpu", hint: "did you mean --gpus? All flags: swarmlet run --help"),
        Slip(
            words: ["run", "--mdl", "x"], code: "usage.unknown_flag", message: "unknown flag --mdl",
            hint: "All flags: swarmlet run --help"),
        Slip(
            words: ["memebrs"], code: "usage.unknown_command", message: "unknown command memebrs",
            hint: "did you mean members? All commands: swarmlet help"),
        Slip(
            words: ["run", "--gpu-mem", "big", "--gpus", "1", "true"], code: "usage.bad_value",
            message: "--gpu-mem cannot be big",
            hint: "expected a size, such as 512M or 20G (powers of 1024). All flags: swarmlet run --help"),
        Slip(
            words: ["run", "--time", "5m5m", "true"], code: "usage.bad_value", message: "--time cannot be 5m5m",
            hint: "expected a time, such as 90s, 2h30m or 1-12:00:00. All flags: swarmlet run --help"),
        Slip(
            words: ["run", "--gpus"], code: "usage.missing_value", message: "a value is missing: --gpus N",
            hint: "expected a whole number from 0 to 1024. All flags: swarmlet run --help"),
        Slip(
            words: ["run", "--gpus", "1"], code: "usage.missing_operand", message: "run needs COMMAND",
            hint: "for example: swarmlet run --gpus 1 -- python3 train.py"),
        Slip(
            words: ["ps", "--all=yes"], code: "usage.unexpected_value", message: "--all takes no value",
            hint: "see: swarmlet ps --help"),
        Slip(
            words: ["ps", "42"], code: "usage.extra_operand", message: "ps does not take 42",
            hint: "see: swarmlet ps --help"),
        Slip(
            words: ["run", "-g", "1", "-g", "2", "true"], code: "usage.repeated_flag", message: "--gpus is given twice",
            hint: "see: swarmlet run --help"),
        Slip(
            words: ["logs", "gpt"], code: "usage.bad_operand",
            message: "gpt is not the id of a job, such as 42, 42_7 or 42:1", hint: "for example: swarmlet ps -a"),
        Slip(
            words: ["run", "--gpu-mem", "20G", "true"], code: "usage.conflict",
            message: "--gpu-mem says how large a GPU must be, but no GPU is asked for", hint: "add: --gpus 1"),
        Slip(
            words: ["run", "--image", "debian.tar", "true"], code: "usage.bad_value",
            message: "--image cannot be debian.tar",
            hint: "expected an absolute path on the host that runs the job, such as /srv/images/debian. "
                + "All flags: swarmlet run --help"),
        Slip(
            words: ["run", "--priority", "2", "true"], code: "usage.not_yet",
            message: "--priority is not in this version",
            hint: "jobs start in the order they were submitted; start without the flag"),
        Slip(
            words: ["sql", "2"], code: "usage.not_yet", message: "sql is not in this version",
            hint: "every table is JSON for other tools: swarmlet ps -a --json"),
    ]

    @Test("a slip names its code, and the exit code is 2", arguments: slips)
    func slip(_ slip: Slip) throws {
        let outcome = try Binary.run(slip.words)
        #expect(outcome.stdout == "")
        #expect(outcome.stderr == "swarmlet: \(slip.message) [\(slip.code)]\nswarmlet: \(slip.hint)\n")
        #expect(outcome.exitCode == slip.exitCode)
    }

    @Test("with --json an error is one RFC 9457 object on stderr with the same code")
    func problemObject() throws {
        let outcome = try Binary.run(["run", "--json", "--gpu", "1", "--", "true"])
        #expect(outcome.stdout == "")
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(outcome.stderr.utf8)) as? [String: Any])
        #expect(object["code"] as? String == "usage.unknown_flag")
        #expect(object["type"] as? String == "urn:swarmlet:error:usage.unknown_flag")
        #expect(object["title"] as? String == "unknown flag --gpu")
        #expect(object["exit_source"] as? String == "swarmlet")
        #expect(object["exit_code"] as? Int == 2)
        #expect(object["schema_version"] as? Int == 1)
        #expect(outcome.exitCode == 2)
    }

    @Test("flags after -- belong to the job and are not looked at")
    func doubleDash() throws {
        let outcome = try Binary.run(["run", "--", "true", "--gpu", "--json"])
        #expect(outcome.stderr.contains("[daemon.unreachable]"))
    }

    @Test("flags after the first word of the job's command belong to the job")
    func jobFlags() throws {
        let outcome = try Binary.run(["run", "python3", "--gpu"])
        #expect(outcome.stderr.contains("[daemon.unreachable]"))
    }
}

@Suite("Where no daemon runs")
struct NoDaemonTests {
    @Test(
        "every command that needs one says how to start it, and exits with 125",
        arguments: [
            ["ps"], ["members"], ["logs", "1"], ["cancel", "1"], ["wait", "1"], ["inspect", "1"], ["invite"],
            ["approve", "x"], ["leave"], ["cp", "job:1:", "."], ["run", "--no-send", "true"],
        ])
    func unreachable(_ words: [String]) throws {
        let outcome = try Binary.run(words)
        #expect(outcome.stdout == "")
        let lines = outcome.stderr.split(separator: "\n")
        #expect(lines.count == 2)
        #expect(lines.first?.hasSuffix("[daemon.unreachable]") == true)
        #expect(lines.last == "swarmlet: start a mesh: swarmlet up. Join one: swarmlet join -")
        #expect(outcome.exitCode == 125)
    }

    @Test("swarmlet alone shows what there is, and how to start")
    func overview() throws {
        let outcome = try Binary.run([])
        #expect(outcome.stdout.contains("Usage: swarmlet COMMAND"))
        #expect(outcome.stderr.contains("start a mesh: swarmlet up"))
        #expect(outcome.exitCode == 0)
    }

    @Test("doctor reports it as a failed check and exits with 1")
    func doctor() throws {
        let outcome = try Binary.run(["doctor"])
        #expect(outcome.stdout.hasPrefix("CHECK   RESULT  DETAIL\ndaemon  FAIL    "))
        #expect(outcome.exitCode == 1)
    }

    @Test("version answers all the same")
    func version() throws {
        let outcome = try Binary.run(["version"])
        #expect(outcome.stdout.hasPrefix("swarmlet "))
        #expect(outcome.stderr == "")
        #expect(outcome.exitCode == 0)
    }

    @Test("a result that cannot be written is an error and not a success")
    func fullDisk() throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", "'\(Binary.path)' help > /dev/full"]
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 125)
    }
}

@Suite("Secrets stay out of the list of processes")
struct JoinSourceTests {
    @Test(
        "an invitation that cannot be read is an error before anything is started",
        arguments: [
            (["join", "file:/does/not/exist"], "cannot read /does/not/exist: No such file or directory"),
            (["join", "env:SWARMLET_NOT_SET"], "cannot read the variable SWARMLET_NOT_SET: it is not set"),
            (["join", "-"], "cannot read an invitation from stdin: there is nothing in it"),
        ])
    func unreadable(_ words: [String], _ message: String) throws {
        let outcome = try Binary.run(words)
        #expect(outcome.stderr.hasPrefix("swarmlet: \(message) [input.unreadable]\n"))
        #expect(outcome.exitCode == 125)
    }

    @Test("join PEER is refused where nobody can compare the fingerprint")
    func blindTrust() throws {
        let outcome = try Binary.run(["join", "127.0.0.1:1"])
        #expect(outcome.stderr.contains("[usage.conflict]"))
        #expect(outcome.stderr.contains("--trust-first-use"))
        #expect(outcome.exitCode == 2)
    }
}
