/// Which of its two output streams a command wrote to.
public enum LogStream: UInt8, Sendable {
    case output = 1
    case error = 2
}
