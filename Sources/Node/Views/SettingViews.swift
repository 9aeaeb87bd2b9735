import Scheduler

/// Settings as people see them: the mesh's own, set or not, and those of its users.
struct SettingViews {
    let state: SchedulerState

    /// Ascending by key.
    func all() -> [SettingView] {
        let unset = MeshSetting.allCases.filter { state.setting($0.key) == nil }.map(Self.view)
        return (unset + state.settings.map(Self.view)).sorted { $0.key < $1.key }
    }

    /// The setting of this key, or why there is none.
    func view(_ key: String) throws -> SettingView {
        if let record = state.setting(key) { return Self.view(record) }
        if let own = MeshSetting(rawValue: key) { return Self.view(own) }
        try SchedulerState.checkSetting(key: key)
        throw NodeError.settingNotSet(key)
    }

    private static func view(_ own: MeshSetting) -> SettingView {
        SettingView(key: own.key, value: own.defaultValue, defaultValue: own.defaultValue, meaning: own.meaning)
    }

    private static func view(_ record: SettingRecord) -> SettingView {
        let own = MeshSetting(rawValue: record.key)
        return SettingView(
            key: record.key, value: record.value, defaultValue: own?.defaultValue, meaning: own?.meaning,
            changedAt: record.changedAt, changedBy: record.changedBy)
    }
}
