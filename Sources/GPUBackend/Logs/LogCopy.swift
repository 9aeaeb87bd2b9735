import Glibc

/// The files of a log as another node keeps them: the same bytes in the same segments, so that a reader of the one goes on
/// in the other where it was.
public struct LogCopy: Sendable {
    private let segments: LogSegments

    public init(path: String) { segments = LogSegments(path: path) }

    // MARK: Where it is written

    /// The next bytes of the log after a place, and where they begin; nil while there are none.
    public func next(after place: LogPlace, maximumBytes: Int) throws(HostError) -> (place: LogPlace, bytes: [UInt8])? {
        let bytes = try read(place, maximumBytes: maximumBytes)
        if !bytes.isEmpty { return (place, bytes) }
        guard let following = try segments.list().first(where: { $0.start > place.segment }) else { return nil }
        // The writer may have finished this segment after we read it; now that another is there, it is final.
        let rest = try read(place, maximumBytes: maximumBytes)
        if !rest.isEmpty { return (place, rest) }
        let begin = LogPlace(segment: following.start, offset: 0)
        let first = try read(begin, maximumBytes: maximumBytes)
        return first.isEmpty ? nil : (begin, first)
    }

    private func read(_ place: LogPlace, maximumBytes: Int) throws(HostError) -> [UInt8] {
        let path = segments.path(start: place.segment)
        let file = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        if file < 0 {
            // Nothing was written yet, or it is no longer kept.
            if errno == ENOENT { return [] }
            throw .system(operation: "open", path: path, errorNumber: errno)
        }
        defer { close(file) }
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: maximumBytes) { buffer, count in
            let read = pread(file, buffer.baseAddress, maximumBytes, off_t(clamping: place.offset))
            if read < 0 { failure = errno }
            count = max(0, read)
        }
        if failure != 0 { throw .system(operation: "read", path: path, errorNumber: failure) }
        return bytes
    }

    // MARK: Where it is kept

    /// Takes bytes that stand at a place; what is there already is not written again. The answer is where the copy ends
    /// now: nothing was taken where bytes before these are missing.
    public func take(_ bytes: [UInt8], at place: LogPlace) throws(HostError) -> LogPlace {
        let path = segments.path(start: place.segment)
        if place.offset == 0, !bytes.isEmpty, let slash = path.lastIndex(of: "/") {
            try HostFiles.makeDirectories(String(path[..<slash]))
        }
        let end = try end()
        guard place.segment >= end.segment else { return end }
        let size = place.segment == end.segment ? end.offset : 0
        guard place.offset <= size, !bytes.isEmpty else { return end }
        let known = size - place.offset
        guard known < UInt64(bytes.count) else { return end }
        let file = try HostFiles.open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        defer { close(file) }
        var position = size
        var rest = bytes[Int(known)...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, off_t(clamping: position)) }
            if written < 0 {
                if errno == EINTR { continue }
                throw .system(operation: "write", path: path, errorNumber: errno)
            }
            position += UInt64(written)
            rest = rest.dropFirst(written)
        }
        if size == 0 { try forgetOld() }
        return LogPlace(segment: place.segment, offset: position)
    }

    /// Nothing can come after this: the attempt has ended, and all that it wrote is here.
    public func seal() throws(HostError) {
        if let slash = segments.path.lastIndex(of: "/") {
            try HostFiles.makeDirectories(String(segments.path[..<slash]))
        }
        try HostFiles.write("", to: wholeMark, flags: O_CREAT)
    }

    /// Whether there is anything of the log.
    public var exists: Bool {
        get throws(HostError) {
            if HostFiles.exists(wholeMark) { return true }
            return try !segments.list().isEmpty
        }
    }

    /// Whether it was sealed.
    public var isWhole: Bool { HostFiles.exists(wholeMark) }

    private var wholeMark: String { segments.path + ".whole" }

    private func end() throws(HostError) -> LogPlace {
        guard let last = try segments.list().last else { return LogPlace() }
        var facts = stat()
        guard stat(last.path, &facts) == 0 else {
            throw .system(operation: "stat", path: last.path, errorNumber: errno)
        }
        return LogPlace(segment: last.start, offset: UInt64(facts.st_size))
    }

    /// As the writer does: the first segment and the newest ones stay.
    private func forgetOld() throws(HostError) {
        let later = try segments.list().dropFirst()
        for segment in later.dropLast(LogSegments.keptAfterFirst) { unlink(segment.path) }
    }
}
