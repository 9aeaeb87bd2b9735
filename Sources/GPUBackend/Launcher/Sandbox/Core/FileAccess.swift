/// What Landlock lets be done with files: the bits of its kernel interface (landlock(7), "Filesystem flags").
struct FileAccess: OptionSet, Hashable, Sendable {
    let rawValue: UInt64

    static let execute = FileAccess(rawValue: 1 << 0)
    static let writeFile = FileAccess(rawValue: 1 << 1)
    static let readFile = FileAccess(rawValue: 1 << 2)
    static let readDirectory = FileAccess(rawValue: 1 << 3)
    static let makeCharacterDevice = FileAccess(rawValue: 1 << 6)
    static let makeBlockDevice = FileAccess(rawValue: 1 << 11)
    /// Moves and links between directories.
    static let refer = FileAccess(rawValue: 1 << 13)
    static let truncate = FileAccess(rawValue: 1 << 14)
    static let deviceControl = FileAccess(rawValue: 1 << 15)

    /// Everything that a kernel with this version of Landlock can hold back.
    static func known(to version: Int) -> FileAccess {
        var access = FileAccess(rawValue: (1 << 13) - 1)
        if version >= 2 { access.insert(.refer) }
        if version >= 3 { access.insert(.truncate) }
        if version >= 5 { access.insert(.deviceControl) }
        return access
    }

    static let reading: FileAccess = [.execute, .readFile, .readDirectory]
    /// Of devices and of the files of /proc.
    static let usingDevices: FileAccess = [.readFile, .readDirectory, .writeFile, .truncate, .deviceControl]
    /// Of the attempt's own directories: everything but making devices and talking to them.
    static let owning = FileAccess(rawValue: (1 << 15) - 1)
        .subtracting([.makeCharacterDevice, .makeBlockDevice])
    /// What can be said of a file that is no directory.

    /// Nobody outside the sandbox can be signalled or reached by an abstract socket (version 6).
    static func scopes(of version: Int) -> UInt64 { version >= 6 ? 3 : 0 }
}
