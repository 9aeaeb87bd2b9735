import Node

extension DataDirectory {
    /// Where the door of a token's mesh is, for a guest's command; else `--data-dir`, else `SWARMLET_DATA_DIR`, else `/var/lib/swarmlet` for root and `$XDG_STATE_HOME/swarmlet` for others.
    static func chosen(_ invocation: Invocation) throws(CommandError) -> DataDirectory {
        if let door = try GuestDoor.directory(invocation) { return door }
        if let typed = invocation.text("data-dir") { return DataDirectory(path: try WorkingDirectory.absolute(typed)) }
        return DataDirectory(path: try WorkingDirectory.absolute(standard(environment: Environment.value).path))
    }
}
