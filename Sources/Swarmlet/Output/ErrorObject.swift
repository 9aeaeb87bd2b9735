import Codec

/// An error as one object of RFC 9457 (problem details), with our stable code and the source of the exit code beside it.
enum ErrorObject {
    static func json(_ error: CommandError) -> JSON {
        .object([
            ("schema_version", .integer(1)),
            ("type", .string("urn:swarmlet:error:\(error.code)")),
            ("title", .string(error.message)),
            ("detail", .string(error.hint)),
            ("code", .string(error.code)),
            ("exit_code", .integer(Int64(error.exitCode))),
            ("exit_source", .string("swarmlet")),
        ])
    }
}
