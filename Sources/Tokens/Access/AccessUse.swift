/// One link of a token whose uses are counted.
public struct AccessUse: Hashable, Sendable {
    /// Of the link (`AccessGrant.names`).
    public let name: String
    /// How many jobs it starts in all, 1 or more.
    public let uses: Int64
    /// Until when, in seconds since the Unix epoch; its count is forgotten some time after.
    public let expires: Int64
}
