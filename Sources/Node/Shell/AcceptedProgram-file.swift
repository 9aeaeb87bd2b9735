import Codec
import GPUBackend
import Glibc

/// As a file of the data directory.
extension AcceptedProgram {
    /// nil where none was accepted.
    static func read(_ directory: DataDirectory) throws -> AcceptedProgram? {
        guard HostFiles.exists(directory.programSigned) else { return nil }
        do { return try AcceptedProgram(encoded: try HostFiles.read(directory.programSigned)) } catch {
            throw NodeError.dataDirectoryDamaged(path: directory.programSigned, reason: APIFailure(error).message)
        }
    }

    /// nil also where it cannot be read, which `doctor` says.
    static func readIfWhole(_ directory: DataDirectory) -> AcceptedProgram? {
        do { return try read(directory) } catch { return nil }
    }

    /// Durable when this returns.
    func write(_ directory: DataDirectory) throws { try AcceptedProgram.keep(self, directory) }

    /// nil: from now on none was accepted.
    static func keep(_ accepted: AcceptedProgram?, _ directory: DataDirectory) throws {
        if let accepted {
            try HostFiles.replace(directory.programSigned, with: accepted.encoded())
        } else if unlink(directory.programSigned) != 0, errno != ENOENT {
            throw HostError.system(operation: "unlink", path: directory.programSigned, errorNumber: errno)
        }
        try OtherKeys.sync(directory.path)
    }
}
