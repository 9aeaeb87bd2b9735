import Codec
import GPUBackend
import Glibc
import Raft
import Scheduler

/// The file that `swarmlet raft snapshot` writes and `swarmlet raft recover --from` reads: a line that says what it is,
/// the length and the bytes of a header, the state, and the BLAKE3 hash over everything before it. It holds no keys.
enum StateFile {
    /// What is said of the state before it comes.
    struct Header: Hashable, Sendable, CBORCodable {
        var meshName: String
        var meshKey: Bytes
        /// The last entry in the state, and its term.
        var index: UInt64
        var term: UInt64
        var membership: RaftMembership
        /// Nanoseconds since the Unix epoch.
        var time: Int64
        /// Of the program that wrote it.
        var version: String

        init(_ core: NodeCore) {
            meshName = core.state.meshName
            meshKey = core.state.meshKey
            index = core.appliedIndex
            term = core.raft.term
            membership = RaftMembership(
                voters: core.raft.membership.voters, learners: core.raft.membership.learners)
            time = core.state.time
            version = Version.text
        }

        init(cbor: CBOR) throws(CodecError) {
            let map = try cbor.requireMap()
            meshName = try map.require(1)
            meshKey = try map.require(2)
            index = try map.require(3)
            term = try map.require(4)
            membership = RaftMembership(voters: try map.require(5), learners: try map.require(6))
            time = try map.require(7)
            version = try map.require(8)
        }

        var cbor: CBOR {
            var map = CBORMap()
            map.set(1, meshName)
            map.set(2, meshKey)
            map.set(3, index)
            map.set(4, term)
            map.set(5, membership.voters)
            map.set(6, membership.learners)
            map.set(7, time)
            map.set(8, version)
            return .map(map)
        }
    }

    private static let firstLine = Array("swarmlet snapshot 1\n".utf8)
    private static let headerBytesMax = 1 << 20
    private static let chunkBytes = 1 << 20
    private static let hashBytes = 32

    /// What comes before the state.
    static func beginning(_ header: Header) -> [UInt8] {
        let bytes = header.encoded()
        return firstLine + [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: bytes.count >> $0) } + bytes
    }

    /// Reads all of it and takes nothing on trust.
    static func read(_ path: String) throws -> (header: Header, state: SchedulerState) {
        let file = try HostFiles.open(path, O_RDONLY | O_CLOEXEC)
        defer { close(file) }
        var hash = BLAKE3()
        func refuse(_ reason: String) -> NodeError { .recoverFile(path: path, reason: reason) }
        func take(_ count: Int) throws -> [UInt8] {
            let bytes = try read(file, count, path)
            guard bytes.count == count else { throw refuse("it is cut off") }
            hash.update(bytes)
            return bytes
        }
        let first = try read(file, firstLine.count, path)
        guard first == firstLine else { throw refuse("it is no snapshot that swarmlet raft snapshot wrote") }
        hash.update(first)
        let length = try take(4).reversed().reduce(0) { $0 << 8 | Int($1) }
        guard length <= headerBytesMax else { throw refuse("its header has \(length) bytes") }
        let headerBytes = try take(length)
        do {
            let header = try Header(encoded: headerBytes)
            var restorer = StateRestorer()
            // The last bytes are the hash: they are known as such only at the end of the file.
            var held: [UInt8] = []
            while true {
                let chunk = try read(file, chunkBytes, path)
                guard !chunk.isEmpty else { break }
                held += chunk
                let ready = held.count - hashBytes
                guard ready > 0 else { continue }
                hash.update(Array(held[..<ready]))
                try restorer.take(held[..<ready])
                held.removeFirst(ready)
            }
            guard held == hash.finalize().bytes else { throw refuse("its bytes are not what was written") }
            return (header, try restorer.finish())
        } catch let error as CodecError {
            throw refuse(error.message)
        }
    }

    /// Up to so many bytes; fewer at the end of the file.
    private static func read(_ file: Int32, _ count: Int, _ path: String) throws(HostError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let got = bytes.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress! + done, count - done) }
            if got == 0 { break }
            if got > 0 {
                done += got
            } else if errno != EINTR {
                throw .system(operation: "read", path: path, errorNumber: errno)
            }
        }
        return Array(bytes[..<done])
    }
}
