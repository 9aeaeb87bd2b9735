import CLinux
import Glibc

/// Unpacks an archive of a root directory into an empty directory of the daemon's, for jobs to read.
///
/// Nothing is made outside of it: names are taken one at a time from its open directory, without following links, `..` is
/// refused, and what a link says is not looked at. Devices and pipes are passed over. Everything belongs to this process, can be
/// read by everybody, and gives nobody rights by being executed. Bounded in bytes and entries.
public struct TarUnpacker {
    /// Why an archive is refused, for a person.
    public struct Refusal: Error, Hashable, Sendable {
        public var reason: String
    }

    public let bytesMax: UInt64
    public let entriesMax: Int
    public private(set) var bytes: UInt64 = 0
    private var entries = 0

    private static let textBytesMax: UInt64 = 64 << 10

    public init(bytesMax: UInt64, entriesMax: Int) {
        self.bytesMax = bytesMax
        self.entriesMax = entriesMax
    }

    /// - Parameter archive: open, read from its beginning.
    public mutating func unpack(_ archive: Int32, into directory: String) throws(Refusal) {
        let root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard root >= 0 else { throw Self.failure(directory) }
        defer { close(root) }
        var at: UInt64 = 0
        var name: String?
        var link: String?
        var attributes: [UInt8] = []
        while let block = try read(archive, at, TarHeader.byteCount) {
            at += UInt64(TarHeader.byteCount)
            guard var header = try parse(block, isFirst: at == UInt64(TarHeader.byteCount)) else { return }
            let content = at
            switch header.kind {
            case .longName, .longLink, .attributes:
                guard header.size <= Self.textBytesMax, let text = try read(archive, content, Int(header.size)) else {
                    throw Refusal(reason: "a name in it is too long")
                }
                let string = String(decoding: text.prefix { $0 != 0 }, as: UTF8.self)
                if header.kind == .longName { name = string }
                if header.kind == .longLink { link = string }
                if header.kind == .attributes { attributes = text }
            case .passedOver: break
            default:
                if let name { header.name = name }
                if let link { header.link = link }
                do throws(TarHeader.Flaw) { try header.take(attributes) } catch {
                    throw Refusal(reason: "it is damaged")
                }
                (name, link, attributes) = (nil, nil, [])
                try make(header, archive, content, root)
            }
            guard header.paddedSize <= bytesMax else { throw Refusal(reason: "it is larger than this host keeps") }
            at += header.paddedSize
        }
        throw Refusal(reason: "it is cut off")
    }

    private func parse(_ block: [UInt8], isFirst: Bool) throws(Refusal) -> TarHeader? {
        do throws(TarHeader.Flaw) {
            return try TarHeader(block[...])
        } catch {
            throw Refusal(reason: isFirst ? "it is no tar archive; unpack a compressed one first" : "it is damaged")
        }
    }

    /// Nil at the end.
    private func read(_ archive: Int32, _ offset: UInt64, _ count: Int) throws(Refusal) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let got = bytes.withUnsafeMutableBytes {
                pread(archive, $0.baseAddress! + done, count - done, off_t(offset) + off_t(done))
            }
            if got < 0 && errno == EINTR { continue }
            if got < 0 { throw Self.failure("the archive") }
            if got == 0 { return nil }
            done += got
        }
        return bytes
    }

    // MARK: Entries

    private mutating func make(
        _ header: TarHeader, _ archive: Int32, _ content: UInt64, _ root: Int32
    ) throws(Refusal) {
        entries += 1
        let (sum, overflow) = bytes.addingReportingOverflow(header.size)
        guard !overflow, sum <= bytesMax, entries <= entriesMax else {
            throw Refusal(reason: "it is larger than this host keeps")
        }
        bytes = sum
        guard var names = TarHeader.names(in: header.name) else {
            throw Refusal(reason: "\(header.name) in it leads out of it")
        }
        guard let last = names.popLast() else { return }
        if header.kind == .special { return }
        let parent = try directory(names, below: root, isMade: true)
        defer { close(parent) }
        switch header.kind {
        case .directory:
            guard mkdirat(parent, last, 0o755) == 0 || errno == EEXIST else { throw Self.failure(header.name) }
            let made = try directory([last], below: parent, isMade: false)
            defer { close(made) }
            fchmod(made, header.mode & 0o755 | 0o755)
        case .symlink:
            unlinkat(parent, last, 0)
            guard symlinkat(header.link, parent, last) == 0 else { throw Self.failure(header.name) }
        case .hardLink:
            guard var target = TarHeader.names(in: header.link), let file = target.popLast() else {
                throw Refusal(reason: "\(header.name) in it leads out of it")
            }
            let there = try directory(target, below: root, isMade: false)
            defer { close(there) }
            unlinkat(parent, last, 0)
            guard linkat(there, file, parent, last, 0) == 0 else { throw Self.failure(header.name) }
        default:
            unlinkat(parent, last, 0)
            try makeFile(header, archive, content, parent, last)
        }
    }

    private func makeFile(
        _ header: TarHeader, _ archive: Int32, _ content: UInt64, _ parent: Int32, _ name: String
    ) throws(Refusal) {
        let file = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw Self.failure(header.name) }
        defer { close(file) }
        var done: UInt64 = 0
        while done < header.size {
            let count = Int(min(header.size - done, 1 << 20))
            guard let bytes = try read(archive, content + done, count) else { throw Refusal(reason: "it is cut off") }
            do throws(HostError) { try HostFiles.writeAll(bytes, to: file, path: header.name) } catch {
                throw Refusal(reason: error.message)
            }
            done += UInt64(count)
        }
        fchmod(file, header.mode & 0o755 | 0o444)
        var times = [timespec(tv_sec: Int(header.modifiedSeconds), tv_nsec: 0)]
        times.append(times[0])
        futimens(file, &times)
    }

    /// Opened one name after the other, none of which may be a link.
    private func directory(_ names: [String], below root: Int32, isMade: Bool) throws(Refusal) -> Int32 {
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        var found = openat(root, ".", flags)
        for name in names {
            guard found >= 0 else { break }
            if isMade { mkdirat(found, name, 0o755) }
            let inner = openat(found, name, flags)
            let number = errno
            close(found)
            errno = number
            found = inner
        }
        guard found >= 0 else { throw Self.failure(names.joined(separator: "/")) }
        return found
    }

    private static func failure(_ path: String) -> Refusal { Refusal(reason: "\(path): \(ErrorText.of(errno))") }
}
