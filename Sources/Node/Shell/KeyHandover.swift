import CLinux
import GPUBackend
import Glibc
import Tokens

/// What opens the keys of a host, on its way to the program that takes this one's place. A pipe, because what is in one is
/// in no file, is never swapped out, is read once, and is in no list of processes.
public enum KeyHandover {
    /// What says on the command line of a daemon that it comes on stdin.
    public static let words = ["--passphrase", "-"]

    /// The end to read from, which is closed on exec and the caller's to close; nil where no key is locked.
    static func pipe(_ lock: KeyLock) throws(HostError) -> Int32? {
        try lock.withHandover { bytes in bytes.withUnsafeBytes { pipe(holding: $0) } }?.get()
    }

    /// The same for a passphrase that a person has named.
    public static func pipe(_ passphrase: Passphrase) throws(HostError) -> Int32 {
        try passphrase.withBytes { pipe(holding: UnsafeRawBufferPointer($0)) }.get()
    }

    private static func pipe(holding bytes: UnsafeRawBufferPointer) -> Result<Int32, HostError> {
        var (readEnd, writeEnd) = (Int32(-1), Int32(-1))
        let result = clinux_pipe(&readEnd, &writeEnd)
        guard result == 0 else { return .failure(.system(operation: "pipe", path: "", errorNumber: -result)) }
        defer { close(writeEnd) }
        // Far less than what a pipe takes at once.
        guard write(writeEnd, bytes.baseAddress, bytes.count) == bytes.count else {
            let number = errno
            close(readEnd)
            return .failure(.system(operation: "write", path: "", errorNumber: number))
        }
        return .success(readEnd)
    }
}
