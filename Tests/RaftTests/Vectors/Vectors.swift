import Foundation

/// Published test vectors, which are not part of the project: `$SWARMLET_VECTORS`, by default `../shared/vectors`
/// beside the project.
enum Vectors {
    static func url(_ path: String) -> URL {
        let environment = ProcessInfo.processInfo.environment["SWARMLET_VECTORS"]
        var project = URL(fileURLWithPath: #filePath)
        for _ in 0..<4 { project.deleteLastPathComponent() }
        let folder =
            environment.map { URL(fileURLWithPath: $0) } ?? project.appendingPathComponent("../shared/vectors")
        return folder.appendingPathComponent(path)
    }

    static func exist(_ path: String) -> Bool { FileManager.default.fileExists(atPath: url(path).path) }

    /// The files of a folder, sorted by name.
    static func files(in path: String) throws -> [URL] {
        try FileManager.default.contentsOfDirectory(at: url(path), includingPropertiesForKeys: nil)
            .sorted { $0.path < $1.path }
    }
}
