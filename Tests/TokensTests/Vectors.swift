import Codec
import Foundation

/// Published test vectors, which are not part of the project: `$SWARMLET_VECTORS`, by default `../shared/vectors`
/// beside the project.
enum Vectors {
    static func url(_ path: String) -> URL {
        let environment = ProcessInfo.processInfo.environment["SWARMLET_VECTORS"]
        let project = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let folder =
            environment.map { URL(fileURLWithPath: $0) } ?? project.appendingPathComponent("../shared/vectors")
        return folder.appendingPathComponent(path)
    }

    static func exist(_ path: String) -> Bool { FileManager.default.fileExists(atPath: url(path).path) }

    static func json(_ path: String) throws -> JSON { try JSON.parse([UInt8](Data(contentsOf: url(path)))) }
}
