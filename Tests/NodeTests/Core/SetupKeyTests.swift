import Codec
import Mesh
import Scheduler
import Testing

@testable import Node

@Suite("By what a setup is kept")
struct SetupKeyTests {
    private func job(
        user: String = "ana", profile: SandboxProfile? = nil, environment: [Label] = []
    ) -> JobSpec {
        JobSpec(
            name: "job", command: ["true"], environment: environment, user: user, uid: 1_000, submitNode: NodeID(1),
            sandbox: SandboxSpec(profile: profile, setup: "x"))
    }

    private func files(_ content: [String: String], executable: Set<String> = []) throws -> Manifest {
        try Manifest(
            entries: content.map { path, text in
                let bytes = Array(text.utf8)
                let file = Manifest.File(
                    byteCount: UInt64(bytes.count), isExecutable: executable.contains(path),
                    chunks: [BLAKE3.hash(bytes)])
                return Manifest.Entry(path: path, content: .file(file))
            })
    }

    @Test("a lock file counts, and beside it no file that is not named")
    func lockFiles() throws {
        let first = try files(["uv.lock": "1", "main.py": "1", "deps.txt": "1"])
        let other = try files(["uv.lock": "1", "main.py": "2", "deps.txt": "1"])
        let locked = try files(["uv.lock": "2", "main.py": "1", "deps.txt": "1"])
        let named = try files(["uv.lock": "1", "main.py": "1", "deps.txt": "2"])
        let key = SetupKey.digest("uv sync", of: job(), files: first)
        #expect(SetupKey.digest("uv sync", of: job(), files: other) == key)
        #expect(SetupKey.digest("uv sync", of: job(), files: locked) != key)
        #expect(SetupKey.digest("uv sync --all", of: job(), files: first) != key)
        let install = "pip install -r './deps.txt'"
        #expect(
            SetupKey.digest(install, of: job(), files: first) != SetupKey.digest(install, of: job(), files: named))
        #expect(SetupKey.digest(install, of: job(), files: first) == SetupKey.digest(install, of: job(), files: other))
    }

    @Test("all files count where none is a lock file, and where the line builds or runs a script of theirs")
    func everything() throws {
        for line in ["make -j", "cargo build --release", "./prepare", "sh prepare.sh", "true"] {
            let names = line == "true" ? ["main.c"] : ["uv.lock", "main.c", "prepare", "prepare.sh"]
            var content = Dictionary(uniqueKeysWithValues: names.map { ($0, "1") })
            let first = try files(content, executable: ["prepare"])
            content["main.c"] = "2"
            let second = try files(content, executable: ["prepare"])
            #expect(SetupKey.digest(line, of: job(), files: first) != SetupKey.digest(line, of: job(), files: second))
        }
    }

    @Test("nobody uses the setup of another user or of another profile")
    func users() throws {
        let files = try files(["uv.lock": "1"])
        let key = SetupKey.digest("uv sync", of: job(), files: files)
        #expect(SetupKey.digest("uv sync", of: job(user: "sam"), files: files) != key)
        #expect(SetupKey.digest("uv sync", of: job(profile: .strict), files: files) != key)
        #expect(SetupKey.digest("uv sync", of: job(profile: .standard), files: files) == key)
        #expect(SetupKey.digest("uv sync", of: job(), files: nil) != key)
    }

    @Test("of the variables only those count that the line names")
    func variables() throws {
        let line = "pip install torch==$VERSION"
        let plain = SetupKey.digest(line, of: job(), files: nil)
        #expect(
            SetupKey.digest(line, of: job(environment: [Label(name: "SEED", value: "1")]), files: nil) == plain)
        #expect(
            SetupKey.digest(line, of: job(environment: [Label(name: "VERSION", value: "1")]), files: nil) != plain)
    }
}
