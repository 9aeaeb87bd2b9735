import Codec

/// Why something could not be done beside the command of an attempt.
public struct HandRefusal: Hashable, Sendable, CBORCodable {
    /// Stable.
    public var code: String
    /// A sentence.
    public var message: String
    /// 126 and 127 as of a shell, else 125.
    public var exitCode: Int32

    public init(code: String, message: String, exitCode: Int32 = 125) {
        self.code = code
        self.message = message
        self.exitCode = exitCode
    }

    public static let notRunning = HandRefusal(code: "job.not_running", message: "the job does not run now")
    /// What connecting came to.
    public static func portClosed(_ error: Int32) -> HandRefusal {
        HandRefusal(code: "job.port_closed", message: "the job does not listen there: \(ErrorText.of(error))")
    }

    static let tooLong = HandRefusal(
        code: "job.command_too_long", message: "the command and its variables are too long")

    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        code = try map.require(1)
        message = try map.require(2)
        exitCode = try Int32(from: map, key: 3)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, code)
        map.set(2, message)
        map.set(3, Int64(exitCode))
        return .map(map)
    }
}
