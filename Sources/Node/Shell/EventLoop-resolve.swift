import Ring

extension EventLoop {
    /// The first address of `HOST[:PORT]`; names are looked up off the loop.
    func resolve(_ text: String, defaultPort: UInt16) async throws -> SocketAddress {
        let addresses = try await offload {
            Result { () throws(RingError) in try NameResolver.resolve(text, defaultPort: defaultPort) }
        }.get()
        guard let first = addresses.first else { throw RingError.addressInvalid(text) }
        return first
    }
}
