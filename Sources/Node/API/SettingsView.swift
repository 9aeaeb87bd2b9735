import Codec

/// The settings of the mesh, ascending by key.
public struct SettingsView: Hashable, Sendable {
    public var settings: [SettingView]
    /// Since a leader was heard; nil: the view is current.
    public var staleMilliseconds: UInt64?

    public init(settings: [SettingView], staleMilliseconds: UInt64? = nil) {
        self.settings = settings
        self.staleMilliseconds = staleMilliseconds
    }
}

extension SettingsView: CBORCodable {
    public init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        settings = try map.require(1)
        staleMilliseconds = try map.optional(2)
    }

    public var cbor: CBOR {
        var map = CBORMap()
        map.set(1, settings)
        map.set(2, staleMilliseconds)
        return .map(map)
    }
}
