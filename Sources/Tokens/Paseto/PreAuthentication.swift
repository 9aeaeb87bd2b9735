/// Pre-authentication encoding of PASETO: a list of byte strings as one, so that no two lists give the same bytes.
enum PreAuthentication {
    static func encode(_ parts: [[UInt8]]) -> [UInt8] {
        var bytes = [UInt8]()
        append(parts.count, to: &bytes)
        for part in parts {
            append(part.count, to: &bytes)
            bytes += part
        }
        return bytes
    }

    private static func append(_ count: Int, to bytes: inout [UInt8]) {
        for shift in stride(from: 0, to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: count >> shift)) }
    }
}
