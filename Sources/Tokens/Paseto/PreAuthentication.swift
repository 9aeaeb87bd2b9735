/// Pre-authentication encoding of PASETO: a list of byte strings as one, so that no two lists give the same bytes.
enum PreAuthentication {
    static func encode(_ parts: [[UInt8]]) -> [UInt8] {
        var bytes = [UInt8]()
        bytes.reserveCapacity(8 * (1 + parts.count) + parts.reduce(0) { $0 + $1.count })
        append(parts.count, to: &bytes)
        for part in parts {
            append(part.count, to: &bytes)
            bytes += part
        }
        return bytes
    }

    private static func append(_ count: Int, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: UInt64(count).littleEndian) { bytes.append(contentsOf: $0) }
    }
}
