import CLinux
import Glibc

/// Tells when logs grow: one descriptor for all logs of a node, to be watched for reading by an event loop.
public final class LogChanges {
    /// Readable when something changed; then call `drain`. It is closed with this object.
    public let descriptor: Int32

    public init() throws(HostError) {
        descriptor = inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC))
        if descriptor < 0 { throw .system(operation: "inotify_init", path: "", errorNumber: errno) }
    }

    deinit { close(descriptor) }

    /// Watches the directory of a log, which must exist. Returns the number under which `drain` reports it.
    public func watch(directory: String) throws(HostError) -> Int32 {
        let mask = UInt32(IN_MODIFY) | UInt32(IN_CREATE)
        let watch = inotify_add_watch(descriptor, directory, mask)
        if watch < 0 { throw .system(operation: "inotify_add_watch", path: directory, errorNumber: errno) }
        return watch
    }

    public func forget(_ watch: Int32) { inotify_rm_watch(descriptor, watch) }

    /// The watches whose directories changed since the last call, each once, ascending.
    public func drain() -> [Int32] {
        var changed: Set<Int32> = []
        let headerBytes = MemoryLayout<inotify_event>.size
        withUnsafeTemporaryAllocation(byteCount: 16384, alignment: 8) { buffer in
            while true {
                let count = read(descriptor, buffer.baseAddress, buffer.count)
                guard count > 0 else { return }
                var offset = 0
                while offset + headerBytes <= count {
                    let event = buffer.loadUnaligned(fromByteOffset: offset, as: inotify_event.self)
                    changed.insert(event.wd)
                    offset += headerBytes + Int(event.len)
                }
            }
        }
        return changed.sorted()
    }
}
