import CSodium

// Shell: the one place where salts come from the system's random source.
extension DatagramService {
    static func randomSalt() -> [UInt8] {
        precondition(sodium_init() >= 0, "libsodium finds no random source")
        return [UInt8](unsafeUninitializedCapacity: DatagramConstants.saltBytes) { buffer, count in
            count = DatagramConstants.saltBytes
            randombytes_buf(buffer.baseAddress!, count)
        }
    }
}
