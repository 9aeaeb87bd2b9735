import Codec
import GPUBackend
import Glibc
import Ring

/// What the daemon writes about its work: one line an event on stderr, which `up` and `join` lead to `daemon.log`.
public struct DaemonLog: Sendable {
    public init() {}

    /// Something that an operator may want to read afterwards.
    public func note(_ text: String) { write(text) }

    /// Something that an operator should look at.
    public func warning(_ text: String) { write("warning: \(text)") }

    private func write(_ text: String) {
        let time = RFC3339.format(EventLoops.wallClock.nanoseconds, fractionDigits: 3)
        let line = Array("\(time) \(text)\n".utf8)
        // A log that cannot be written has nobody to be told.
        _ = line.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
