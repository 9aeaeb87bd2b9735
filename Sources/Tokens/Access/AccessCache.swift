/// Chains that were verified, by the hash of all their links, for one mesh.
///
/// Only what an issuer of the mesh has signed gets in, so strangers cannot fill it. What is in it is nevertheless looked
/// at again for revocation, time and epoch whenever it is used: the cache spares signatures, not decisions.
public struct AccessCache: Sendable {
    private var grants: [[UInt8]: AccessGrant] = [:]
    /// In the order in which they came, round and round.
    private var order: [[UInt8]] = []
    private var oldest = 0

    public init() {}

    public var count: Int { grants.count }

    subscript(chain: [UInt8]) -> AccessGrant? { grants[chain] }

    mutating func keep(_ grant: AccessGrant, of chain: [UInt8]) {
        guard grants.updateValue(grant, forKey: chain) == nil else { return }
        guard order.count == AccessConstants.cachedMax else { return order.append(chain) }
        grants[order[oldest]] = nil
        order[oldest] = chain
        oldest = (oldest + 1) % order.count
    }
}
