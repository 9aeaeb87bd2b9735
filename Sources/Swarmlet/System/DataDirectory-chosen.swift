import Node

extension DataDirectory {
    /// `--data-dir`, else `SWARMLET_DATA_DIR`, else `/var/lib/swarmlet` for root and `$XDG_STATE_HOME/swarmlet` for others.
    static func chosen(_ invocation: Invocation) throws(CommandError) -> DataDirectory {
        if let typed = invocation.text("data-dir") { return DataDirectory(path: try WorkingDirectory.absolute(typed)) }
        return DataDirectory(path: try WorkingDirectory.absolute(standard(environment: Environment.value).path))
    }
}
