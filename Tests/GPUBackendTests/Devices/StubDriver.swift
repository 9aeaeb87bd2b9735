import Foundation

@testable import GPUBackend

/// A libnvidia-ml.so.1 without hardware, built from Tests/Stubs/nvml.c, and the file that says what it shows.
final class StubDriver {
    let library: String
    private let directory: String
    private var file: String { directory + "/gpus" }

    enum Failure: Error { case notBuilt(String) }

    /// - Parameter version: `OLD` or `V3`, see the source; nil: a driver of today.
    init(_ version: String? = nil) throws {
        directory = NSTemporaryDirectory() + "nvml-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        library = directory + "/libnvidia-ml.so.1"
        let source = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Stubs/nvml.c").path
        let compiler = Process()
        compiler.executableURL = URL(filePath: "/usr/bin/env")
        compiler.arguments =
            ["cc", "-shared", "-fPIC", "-o", library, source] + (version.map { ["-D\($0)"] } ?? [])
        try compiler.run()
        compiler.waitUntilExit()
        guard compiler.terminationStatus == 0 else { throw Failure.notBuilt(source) }
    }

    deinit {
        do { try FileManager.default.removeItem(atPath: directory) } catch {
            // The system clears its temporary directory.
        }
    }

    func show(_ text: String) throws { try text.write(toFile: file, atomically: true, encoding: .utf8) }

    /// The next wait for errors gets this one.
    func fail(card: Int, instance: Int = -1, xid: Int) throws {
        try "\(card) \(instance) \(xid)\n".write(toFile: directory + "/events", atomically: true, encoding: .utf8)
    }

    /// Looks at nothing but this driver.
    func survey() -> DeviceSurvey {
        DeviceSurvey(supervisors: "/nonexistent", sysfs: "/nonexistent", nvidiaLibrary: library)
    }
}
