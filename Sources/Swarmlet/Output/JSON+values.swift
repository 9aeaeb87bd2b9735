import Codec

/// The forms that every JSON result of swarmlet uses: RFC 3339 times in UTC, null for what is not there.
extension JSON {
    static func optional(_ text: String?) -> JSON { text.map { .string($0) } ?? .null }
    static func optional(_ number: Int32?) -> JSON { number.map { .integer(Int64($0)) } ?? .null }

    /// A count or a size; those beyond 2^63 do not occur and are held there.
    static func count(_ number: UInt64) -> JSON { .integer(Int64(clamping: number)) }

    static func time(_ unixNanoseconds: Int64?) -> JSON {
        unixNanoseconds.map { .string(Timestamp.rfc3339(Instant(nanoseconds: $0))) } ?? .null
    }
}
