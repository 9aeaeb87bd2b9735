import Codec

/// What the mesh was told about itself, and what its users keep in it.
extension SchedulerState {
    /// Keys that begin so belong to the users of the mesh.
    public static let userSettingPrefix = "user."

    /// What was set, ascending by key.
    public var settings: [SettingRecord] { settingRows.map(\.row) }

    /// The setting of this key; nil where nobody has set it.
    public func setting(_ key: String) -> SettingRecord? { settingRows[key] }

    /// The text that holds for one of the mesh's own settings.
    public func value(of setting: MeshSetting) -> String { settingRows[setting.key]?.value ?? setting.defaultValue }

    /// The mesh's own settings as values.
    public var meshSettings: MeshSettings {
        let defaults = MeshSettings()
        return MeshSettings(
            replaceDeadVoterAfter: TimeSpan.parse(value(of: .replaceDeadVoterAfter)) ?? defaults.replaceDeadVoterAfter,
            stableAfter: TimeSpan.parse(value(of: .stableAfter)) ?? defaults.stableAfter,
            voters: Int(value(of: .voters)),
            noticeInactiveAfter: TimeSpan.parse(value(of: .noticeInactiveAfter)) ?? defaults.noticeInactiveAfter,
            removeInactiveAfter: TimeSpan.parse(value(of: .removeInactiveAfter)))
    }

    /// Refuses a key that is neither the mesh's own nor one that a user may have.
    public static func checkSetting(key: String) throws(SchedulerError) {
        if MeshSetting(rawValue: key) != nil { return }
        guard key.hasPrefix(userSettingPrefix) else {
            throw .settingUnknown(
                key: key, nearest: NearestMatch.find(key, among: MeshSetting.allCases.map(\.key)))
        }
        let bytes = key.utf8
        let name = bytes.dropFirst(userSettingPrefix.utf8.count)
        guard !name.isEmpty, bytes.count <= SchedulerLimits.settingKeyBytesMax,
            name.allSatisfy({ isLetterOrDigit($0) || $0 == 0x2E || $0 == 0x5F || $0 == 0x2D })
        else { throw .settingKeyRefused(key: key) }
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    }

    mutating func configure(
        _ key: String, _ value: String?, by person: String, _ events: inout [StateEvent]
    ) throws(SchedulerError) {
        try Self.checkSetting(key: key)
        let own = MeshSetting(rawValue: key)
        guard let value else {
            guard settingRows.remove(key) != nil else { return }
            if own == nil { userSettings -= 1 } else { readRetention() }
            return events.append(.settingChanged(key: key))
        }
        guard value.utf8.count <= SchedulerLimits.settingValueBytesMax else {
            throw .settingTooLarge(key: key, bytes: value.utf8.count)
        }
        if let own {
            guard own.allows(value) else { throw .settingValueRefused(key: key, value: value, form: own.form) }
        } else {
            var text = value
            // Without a way out of the loop it looks at many bytes at once.
            let controls = text.withUTF8 { bytes in
                bytes.reduce(0 as UInt8) { $0 | ($1 < 0x20 ? 1 : 0) | ($1 == 0x7F ? 1 : 0) }
            }
            guard controls == 0 else {
                throw .settingValueRefused(key: key, value: "", form: "a text without line breaks")
            }
        }
        if own == nil, !settingRows.contains(key) {
            guard userSettings < SchedulerLimits.userSettingsMax else { throw .tooManySettings }
            userSettings += 1
        }
        settingRows.set(key, SettingRecord(key: key, value: value, changedAt: time, changedBy: person))
        if own != nil { readRetention() }
        events.append(.settingChanged(key: key))
    }
}
